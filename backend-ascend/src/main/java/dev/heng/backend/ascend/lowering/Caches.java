package dev.heng.backend.ascend.lowering;

import dev.heng.backend.ascend.device.TensorView;

/** The parts of a latent cache whose memory holds all latents first and then all rotated keys (a state's layout is the backend's own, KV-005). */
final class Caches {

    private Caches() {}

    /**
     * Returns latents [pages, pageSize, 1, latent] and keys [pages, pageSize, 1, rope].
     *
     * @param cache [pages, pageSize, latent + rope] by its type
     */
    static TensorView[] apart(TensorView cache, long latent) {
        long slots = cache.dim(0) * cache.dim(1);
        TensorView all = cache.reshaped(slots * cache.dim(2));
        return new TensorView[] {
            all.rows(0, slots * latent).reshaped(cache.dim(0), cache.dim(1), 1, latent),
            all.rows(slots * latent, slots * (cache.dim(2) - latent))
                    .reshaped(cache.dim(0), cache.dim(1), 1, cache.dim(2) - latent)
        };
    }
}

/*
 * Decode and prefill of a DeepSeek-shaped model on libheng_cpu with random weights, beside the ceilings measured in the same run:
 * bench SHAPE FORMAT THREADS [LAYERS] [PREFILL TOKENS] [CONTEXT] [LEVEL]
 * SHAPE v2-lite, v3-layer, moe-tiny; FORMAT f32, bf16, f16, fp8, int8, w8a8, int4 (groups of 128, bf16 scales), int4g32.
 * HEAD=FORMAT stores the output head so (default bf16), ROUND=1 rounds every activation to bf16, as a bf16 graph does.
 * CPU_TIME=1 measures processor time, PROFILE=decode or prefill adds a table by operation.
 * Read bandwidth, decode and prefill are interleaved in rounds (ROUNDS, default 5), because the machine may drift: medians, and best in brackets.
 */
#include "heng_cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With CPU_TIME set, time is that which this process was given: fair on a busy machine, meaningful with one thread only. */
static double now(void) {
    struct timespec t;
    clock_gettime(getenv("CPU_TIME") != NULL ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Times of one kind, of all rounds. */
typedef struct samples {
    double seconds[4096];
    int count;
} samples;

static void sample(samples *all, double seconds) {
    if (all->count < (int)(sizeof all->seconds / sizeof *all->seconds)) all->seconds[all->count++] = seconds;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median and the least; sorts. */
static double median(samples *all) {
    qsort(all->seconds, (size_t)all->count, sizeof(double), by_value);
    return all->count == 0 ? 1e9 : all->seconds[all->count / 2];
}

typedef struct shape {
    const char *name;
    int64_t hidden, heads, q_lora, latent, nope, rope, value, experts, top_k, moe, shared, dense, dense_layers, vocab;
    int64_t layers;
} shape;

static const shape shapes[] = {
    {"v2-lite", 2048, 16, 0, 512, 128, 64, 128, 64, 6, 1408, 2816, 10944, 1, 102400, 6},
    {"v3-layer", 7168, 128, 1536, 512, 128, 64, 128, 32, 8, 2048, 2048, 18432, 0, 16384, 1},
    {"moe-tiny", 256, 4, 96, 64, 32, 16, 32, 64, 6, 64, 64, 704, 1, 8192, 5},
};

static char noise[1 << 24];
static int64_t weight_bytes_total;

static void *random_bytes(int64_t bytes, int type) {
    char *p = heng_cpu_memory_allocate(bytes);
    if (p == NULL) exit(3);
    static int64_t at;
    for (int64_t i = 0; i < bytes;) {
        int64_t n = bytes - i < (int64_t)sizeof noise - at ? bytes - i : (int64_t)sizeof noise - at;
        memcpy(p + i, noise + at, (size_t)n);
        i += n;
        at = (at + n) % (int64_t)sizeof noise;
    }
    if (type == HENG_CPU_BF16) /* |w| in 2^-7 .. 2^-5 */
        for (int64_t i = 0; i < bytes / 2; i++) ((uint16_t *)p)[i] = (uint16_t)((((uint16_t *)p)[i] & 0x80ff) | 0x3c00);
    if (type == HENG_CPU_F16)
        for (int64_t i = 0; i < bytes / 2; i++) ((uint16_t *)p)[i] = (uint16_t)((((uint16_t *)p)[i] & 0x87ff) | 0x2000);
    if (type == HENG_CPU_F32)
        for (int64_t i = 0; i < bytes / 4; i++) ((uint32_t *)p)[i] = (((uint32_t *)p)[i] & 0x80ffffffu) | 0x3c000000u;
    if (type == HENG_CPU_E4M3)
        for (int64_t i = 0; i < bytes; i++)
            if ((p[i] & 0x7f) == 0x7f) p[i] = 0;
    return p;
}

static const char *format;

static heng_cpu_weight *weights(int64_t count, int64_t rows, int64_t columns, int plain) {
    heng_cpu_weight *w = calloc((size_t)count, sizeof *w);
    for (int64_t i = 0; i < count; i++) {
        w[i].rows = rows;
        w[i].columns = columns;
        w[i].block_rows = 128;
        w[i].block_columns = strcmp(format, "int4g32") == 0 ? 32 : 128;
        w[i].scale_type = HENG_CPU_F32;
        const char *f = plain ? "bf16" : format;
        int64_t scales = 0;
        if (strcmp(f, "f32") == 0) w[i].type = HENG_CPU_F32, w[i].row_bytes = columns * 4;
        if (strcmp(f, "bf16") == 0) w[i].type = HENG_CPU_BF16, w[i].row_bytes = columns * 2;
        if (strcmp(f, "f16") == 0) w[i].type = HENG_CPU_F16, w[i].row_bytes = columns * 2;
        if (strcmp(f, "fp8") == 0) w[i].type = HENG_CPU_E4M3, w[i].row_bytes = columns, scales = (rows + 127) / 128 * ((columns + 127) / 128) * 4;
        if (strcmp(f, "int8") == 0 || strcmp(f, "w8a8") == 0) w[i].type = HENG_CPU_I8, w[i].row_bytes = columns, scales = rows * 4;
        if (strncmp(f, "int4", 4) == 0) {
            w[i].type = HENG_CPU_I4, w[i].row_bytes = (columns + 7) / 8 * 4, w[i].scale_type = HENG_CPU_BF16;
            scales = rows * ((columns + w[i].block_columns - 1) / w[i].block_columns) * 2;
        }
        w[i].data = random_bytes(rows * w[i].row_bytes, w[i].type);
        if (scales > 0) {
            void *s = heng_cpu_memory_allocate(scales);
            if (w[i].scale_type == HENG_CPU_F32)
                for (int64_t j = 0; j < scales / 4; j++) ((float *)s)[j] = 0x1p-11f;
            else
                for (int64_t j = 0; j < scales / 2; j++) ((uint16_t *)s)[j] = 0x3c00;
            w[i].scales = s;
        }
        weight_bytes_total += rows * w[i].row_bytes + scales;
    }
    return w;
}

static int64_t bytes_of(const heng_cpu_weight *w) {
    int64_t scales = w->type == HENG_CPU_I4 ? w->rows * ((w->columns + w->block_columns - 1) / w->block_columns) * 2 : w->type == HENG_CPU_I8 ? w->rows * 4 : 0;
    return w->rows * w->row_bytes + scales;
}

static heng_cpu_instruction program[2048];
static int64_t count, decode_bytes;
static double macs; /* of one token */

static heng_cpu_instruction *next(int opcode, int64_t factor) {
    heng_cpu_instruction *in = &program[count++];
    in->opcode = opcode;
    in->rows = (heng_cpu_count){factor, 0};
    return in;
}

static float *buffer(int64_t n) { return heng_cpu_memory_allocate(n * 4); }

static void linear(const heng_cpu_weight *w, const float *x, float *y, const float *addend, int overlap) {
    heng_cpu_instruction *in = next(HENG_CPU_LINEAR, 1);
    in->flags = overlap ? HENG_CPU_OVERLAP : 0;
    in->as.linear = (heng_cpu_linear){.weight = w, .x = x, .x_stride = w->columns, .y = y, .y_stride = w->rows, .addend = addend, .addend_stride = w->rows,
        .quantize_activations = w->type == HENG_CPU_I8 && strcmp(format, "w8a8") == 0};
    decode_bytes += bytes_of(w);
    macs += (double)w->rows * (double)w->columns;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    const shape *s = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, argv[1]) == 0) s = &shapes[i];
    if (s == NULL) return 2;
    format = argv[2];
    const int64_t layers = argc > 4 ? atol(argv[4]) : s->layers, tokens = argc > 5 ? atol(argv[5]) : 512, context = argc > 6 ? atol(argv[6]) : 64;
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof noise / 8; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ((uint64_t *)noise)[i] = seed ^ seed >> 29;
    }
    heng_cpu_team *team;
    if (heng_cpu_team_create(atoi(argv[3]), 1, argc > 7 ? argv[7] : NULL, &team) != HENG_CPU_OK) {
        printf("%s\n", heng_cpu_last_error());
        return 1;
    }
    const int64_t T = tokens, H = s->hidden, page = 64, pages = (context + tokens) / page + 2;
    int32_t *ids = calloc((size_t)T, 4), *positions = calloc((size_t)T, 4), *sequences = calloc((size_t)T, 4), *table = calloc((size_t)pages, 4);
    for (int64_t i = 0; i < pages; i++) table[i] = (int32_t)i;
    float *x = buffer(T * H), *h = buffer(T * H), *a = buffer(T * H), *qa = buffer(T * (s->q_lora + 1)), *q = buffer(T * s->heads * (s->nope + s->rope)),
          *kv = buffer(T * (s->latent + s->rope)), *kn = buffer(T * s->latent), *kr = buffer(T * s->rope), *o = buffer(T * s->heads * s->value),
          *logits = buffer(T * s->experts), *rw = buffer(T * s->top_k), *mid = buffer(T * (s->dense > s->shared ? s->dense : s->shared)),
          *em = buffer(T * s->top_k * s->moe), *out = buffer(s->vocab);
    int32_t *eids = calloc((size_t)(T * s->top_k), 4), *origins = calloc((size_t)(T * s->top_k), 4), *places = calloc((size_t)(T * s->top_k), 4),
            *offsets = calloc((size_t)s->experts + 1, 4), *chosen = calloc(1, 4);
    double *rope = malloc((size_t)(T * s->rope) * 8), *inverse = malloc((size_t)s->rope * 4);
    for (int64_t i = 0; i < s->rope / 2; i++) inverse[i] = 1.0 / (double)(1 + i);
    heng_cpu_weight *embed = weights(1, s->vocab, H, 1), *head;
    const char *body = format;
    format = getenv("HEAD") != NULL ? getenv("HEAD") : "bf16";
    head = weights(1, s->vocab, H, 0);
    format = body;
    next(HENG_CPU_EMBED, 1)->as.embed = (heng_cpu_embed){embed, ids, x, H, 0};
    next(HENG_CPU_ROPE_TABLE, 1)->as.rope_table = (heng_cpu_rope_table){positions, inverse, s->rope / 2, 1, rope};
    const int w8a8 = strcmp(format, "w8a8") == 0;
    for (int64_t l = 0; l < layers; l++) {
        heng_cpu_weight *norm = weights(1, 1, H, 1), *norm2 = weights(1, 1, H, 1), *knorm = weights(1, 1, s->latent, 1);
        heng_cpu_weight *kv_a = weights(1, s->latent + s->rope, H, 0), *kv_b = weights(1, s->heads * (s->nope + s->value), s->latent, 0);
        heng_cpu_weight *wo = weights(1, H, s->heads * s->value, 0), *wq = weights(1, s->heads * (s->nope + s->rope), s->q_lora ? s->q_lora : H, 0);
        next(HENG_CPU_RMS_NORM, 1)->as.rms_norm = (heng_cpu_rms_norm){.x = x, .x_stride = H, .weight = norm, .y = h, .y_stride = H, .groups = 1, .epsilon = 1e-6};
        const float *qin = h;
        if (s->q_lora) {
            heng_cpu_weight *wqa = weights(1, s->q_lora, H, 0), *qn = weights(1, 1, s->q_lora, 1);
            linear(wqa, h, qa, NULL, 1);
            linear(kv_a, h, kv, NULL, 0);
            next(HENG_CPU_RMS_NORM, 1)->as.rms_norm = (heng_cpu_rms_norm){.x = qa, .x_stride = s->q_lora, .weight = qn, .y = qa, .y_stride = s->q_lora, .groups = 1, .epsilon = 1e-6};
            qin = qa;
        } else {
            linear(kv_a, h, kv, NULL, 1);
        }
        linear(wq, qin, q, NULL, 0);
        heng_cpu_cache *cache = calloc(1, sizeof *cache);
        *cache = (heng_cpu_cache){heng_cpu_memory_allocate(pages * page * (s->latent + s->rope) * 2), HENG_CPU_BF16, s->latent + s->rope, table, 1, pages, page, pages};
        heng_cpu_instruction *in = next(HENG_CPU_RMS_NORM, 1);
        in->flags = HENG_CPU_OVERLAP;
        in->as.rms_norm = (heng_cpu_rms_norm){.x = kv, .x_stride = s->latent + s->rope, .weight = knorm, .y = kn, .y_stride = s->latent, .groups = 1, .epsilon = 1e-6};
        in = next(HENG_CPU_ROPE, 1);
        in->flags = HENG_CPU_OVERLAP;
        in->as.rope = (heng_cpu_rope){.x = q, .x_stride = s->heads * (s->nope + s->rope), .x_head_stride = s->nope + s->rope, .y = q, .y_stride = s->heads * (s->nope + s->rope),
            .y_head_stride = s->nope + s->rope, .table = rope, .heads = s->heads, .width = s->nope + s->rope, .offset = s->nope, .pairs = s->rope / 2, .interleaved = 1};
        next(HENG_CPU_ROPE, 1)->as.rope = (heng_cpu_rope){.x = kv + s->latent, .x_stride = s->latent + s->rope, .y = kr, .y_stride = s->rope, .table = rope, .heads = 1,
            .width = s->rope, .offset = 0, .pairs = s->rope / 2, .interleaved = 1};
        in = next(HENG_CPU_CACHE_APPEND, 1);
        in->flags = HENG_CPU_OVERLAP;
        in->as.cache_append = (heng_cpu_cache_append){kn, s->latent, s->latent, 0, cache, sequences, positions};
        next(HENG_CPU_CACHE_APPEND, 1)->as.cache_append = (heng_cpu_cache_append){kr, s->rope, s->rope, s->latent, cache, sequences, positions};
        next(HENG_CPU_ATTENTION, 1)->as.attention = (heng_cpu_attention){.q = q, .q_stride = s->heads * (s->nope + s->rope), .q_head_stride = s->nope + s->rope, .heads = s->heads,
            .value_width = s->value, .latent = s->latent, .nope = s->nope, .rope = s->rope, .kv_b = kv_b, .keys = cache, .sequences = sequences, .positions = positions,
            .max_context = context + tokens + 1, .scale = 0.1, .y = o, .y_stride = s->heads * s->value};
        decode_bytes += bytes_of(kv_b);
        macs += (double)kv_b->rows * (double)kv_b->columns;
        linear(wo, o, a, x, 0);
        next(HENG_CPU_RMS_NORM, 1)->as.rms_norm = (heng_cpu_rms_norm){.x = a, .x_stride = H, .weight = norm2, .y = h, .y_stride = H, .groups = 1, .epsilon = 1e-6};
        int64_t width = l < s->dense_layers ? s->dense : s->shared;
        heng_cpu_weight *gate = weights(1, width, H, 0), *up = weights(1, width, H, 0), *down = weights(1, H, width, 0);
        if (l >= s->dense_layers) {
            heng_cpu_weight *router = weights(1, s->experts, H, 1);
            linear(router, h, logits, NULL, 1);
        }
        next(HENG_CPU_GATED_LINEAR, 1)->as.gated_linear = (heng_cpu_gated_linear){.gate = gate, .up = up, .x = h, .x_stride = H, .y = mid, .y_stride = width, .quantize_activations = w8a8};
        decode_bytes += 2 * bytes_of(gate);
        macs += 2.0 * (double)width * (double)H;
        linear(down, mid, x, a, 1);
        if (l >= s->dense_layers) {
            next(HENG_CPU_ROUTE, 1)->as.route = (heng_cpu_route){.logits = logits, .logits_stride = s->experts, .experts = s->experts, .top_k = s->top_k, .groups = 1, .kept_groups = 1,
                .scaling = 1, .ids = eids, .weights = rw};
            next(HENG_CPU_GROUP, 1)->as.group = (heng_cpu_group){eids, s->top_k, 0, s->experts, offsets, origins, places};
            heng_cpu_weight *eg = weights(s->experts, s->moe, H, 0), *eu = weights(s->experts, s->moe, H, 0), *ed = weights(s->experts, H, s->moe, 0);
            next(HENG_CPU_EXPERT_GATE_UP, s->top_k)->as.expert_gate_up = (heng_cpu_expert_gate_up){.gate = eg, .up = eu, .experts = s->experts, .offsets = offsets, .origins = origins,
                .top_k = s->top_k, .x = h, .x_stride = H, .h = em, .h_stride = s->moe, .quantize_activations = w8a8};
            next(HENG_CPU_EXPERT_DOWN, 1)->as.expert_down = (heng_cpu_expert_down){.down = ed, .experts = s->experts, .ids = eids, .offsets = offsets, .places = places, .top_k = s->top_k,
                .h = em, .h_stride = s->moe, .weights = rw, .addend = x, .addend_stride = H, .y = x, .y_stride = H, .quantize_activations = w8a8};
            decode_bytes += s->top_k * 3 * bytes_of(eg);
            macs += 3.0 * (double)(s->top_k * s->moe) * (double)H;
        } else {
            program[count - 1].flags = 0;
        }
    }
    const int64_t last_row = count;
    heng_cpu_weight *norm = weights(1, 1, H, 1);
    heng_cpu_instruction *in = next(HENG_CPU_RMS_NORM, 0);
    in->rows = (heng_cpu_count){1, -1};
    in->as.rms_norm = (heng_cpu_rms_norm){.x = x, .x_stride = H, .weight = norm, .y = h, .y_stride = H, .groups = 1, .epsilon = 1e-6};
    in = next(HENG_CPU_LINEAR, 0);
    in->rows = (heng_cpu_count){1, -1};
    in->as.linear = (heng_cpu_linear){.weight = head, .x = h, .x_stride = H, .y = out, .y_stride = s->vocab};
    decode_bytes += bytes_of(head);
    in = next(HENG_CPU_ARGMAX, 0);
    in->rows = (heng_cpu_count){1, -1};
    in->as.argmax = (heng_cpu_argmax){out, s->vocab, s->vocab, chosen};
    (void)last_row;

    /* Types of results: 0 is F32, for which nothing is rounded. */
    if (getenv("ROUND") != NULL)
        for (int64_t i = 0; i < count; i++) {
            heng_cpu_instruction *at = &program[i];
            switch (at->opcode) {
                case HENG_CPU_EMBED: at->as.embed.round_to = HENG_CPU_BF16; break;
                case HENG_CPU_RMS_NORM: at->as.rms_norm.round_to = HENG_CPU_BF16; break;
                case HENG_CPU_LINEAR: at->as.linear.round_to = at->as.linear.sum_round_to = HENG_CPU_BF16; break;
                case HENG_CPU_GATED_LINEAR: at->as.gated_linear.gate_round_to = at->as.gated_linear.round_to = HENG_CPU_BF16; break;
                case HENG_CPU_ROPE: at->as.rope.round_to = HENG_CPU_BF16; break;
                case HENG_CPU_ATTENTION: at->as.attention.round_to = HENG_CPU_BF16; break;
                case HENG_CPU_EXPERT_GATE_UP: at->as.expert_gate_up.gate_round_to = at->as.expert_gate_up.round_to = HENG_CPU_BF16; break;
                case HENG_CPU_EXPERT_DOWN:
                    at->as.expert_down.down_round_to = at->as.expert_down.round_to = at->as.expert_down.sum_round_to = HENG_CPU_BF16;
                    break;
                default: break;
            }
        }
    heng_cpu_program *compiled;
    int64_t most[1] = {T};
    if (heng_cpu_program_create(team, program, count, most, 1, &compiled) != HENG_CPU_OK) {
        printf("%s\n", heng_cpu_last_error());
        return 1;
    }
    const int64_t probe_bytes = INT64_C(1) << 30;
    char *probe = heng_cpu_memory_allocate(probe_bytes);
    memset(probe, 1, (size_t)probe_bytes);
    static samples reads, decodes, prefills;
    double fma_best = 0;
    const int rounds = getenv("ROUNDS") != NULL ? atoi(getenv("ROUNDS")) : 5;
    uint32_t r = 7;
    for (int round = 0; round < rounds; round++) {
        double seconds;
        double begin = now();
        heng_cpu_measure_read(team, probe, probe_bytes, &seconds);
        seconds = now() - begin;
        sample(&reads, seconds);
        heng_cpu_measure_fma(team, 20000000, &seconds);
        if (seconds > fma_best) fma_best = seconds;
        int64_t one[1] = {1};
        for (int step = 0; step < (s->hidden < 1000 ? 200 : 12); step++) {
            r = r * 1664525 + 1013904223;
            ids[0] = (int32_t)((r >> 8) % s->vocab);
            positions[0] = (int32_t)(context + step % 8);
            double start = now();
            if (heng_cpu_run(compiled, 0, count, one) != HENG_CPU_OK) printf("%s\n", heng_cpu_last_error());
            sample(&decodes, now() - start);
        }
        if (tokens > 1 && round < (rounds + 1) / 2) {
            int64_t all[1] = {T};
            for (int64_t t = 0; t < T; t++) r = r * 1664525 + 1013904223, ids[t] = (int32_t)((r >> 8) % s->vocab), positions[t] = (int32_t)t;
            double start = now();
            if (heng_cpu_run(compiled, 0, count, all) != HENG_CPU_OK) printf("%s\n", heng_cpu_last_error());
            sample(&prefills, now() - start);
        }
    }
    const double bandwidth = (double)probe_bytes / median(&reads), read_best = (double)probe_bytes / reads.seconds[0];
    const double step = median(&decodes), step_best = decodes.seconds[0];
    printf("%s %s %ld layers, %s threads, level %s: read %.1f (%.1f) GB/s, fma %.0f GF/s | weights %.2f GB, scratch %.1f MB | decode %.1f (%.1f) tok/s = %.1f GB/s = %.3f "
           "(%.3f) of read",
        s->name, format, (long)layers, argv[3], heng_cpu_team_level(team), bandwidth / 1e9, read_best / 1e9, fma_best / 1e9, (double)weight_bytes_total / 1e9,
        (double)heng_cpu_program_scratch(compiled) / 1e6, 1 / step, 1 / step_best, (double)decode_bytes / step / 1e9, (double)decode_bytes / step / bandwidth,
        (double)decode_bytes / step_best / read_best);
    if (tokens > 1) {
        const double all = median(&prefills);
        printf(" | prefill %ld: %.1f (%.1f) tok/s = %.0f GF/s = %.2f of fma", (long)T, (double)T / all, (double)T / prefills.seconds[0], 2 * macs * (double)T / all / 1e9,
            2 * macs * (double)T / all / fma_best);
    }
    printf("\n");
    if (getenv("PROFILE") != NULL) {
        static const char *names[] = {"", "EMBED", "RMS_NORM", "LINEAR", "GATED_LINEAR", "SWIGLU", "ADD", "COPY", "ROPE_TABLE", "ROPE", "CACHE_APPEND", "ATTENTION", "ROUTE", "GROUP",
            "EXPERT_LINEAR", "EXPERT_GATE_UP", "EXPERT_DOWN", "COMBINE", "ARGMAX", "GATHER", "INVERT", "QUANTIZE_E4M3"};
        double *seconds = calloc((size_t)count, 8), *best = calloc((size_t)count, 8), by[32] = {0};
        int64_t sizes[1] = {strcmp(getenv("PROFILE"), "prefill") == 0 ? T : 1};
        heng_cpu_program_profile(compiled, seconds);
        for (int i = 0; i < 9; i++) {
            memset(seconds, 0, (size_t)count * 8);
            heng_cpu_run(compiled, 0, count, sizes);
            for (int64_t j = 0; j < count; j++) best[j] = i == 0 || seconds[j] < best[j] ? seconds[j] : best[j];
        }
        for (int64_t i = 0; i < count; i++) by[program[i].opcode] += best[i];
        double all = 0;
        for (int i = 0; i < 32; i++) all += by[i];
        printf("  sum of the best of each instruction %.1f us: %.1f GB/s = %.3f of read\n", all * 1e6, (double)decode_bytes / all / 1e9, (double)decode_bytes / all / bandwidth);
        for (int i = 1; i < 22; i++)
            if (by[i] > 0) printf("  %-16s %9.1f us\n", names[i], by[i] * 1e6);
    }
    return 0;
}

// Latent attention of many rows over expanded keys and values (MLA-001, MLA-003) by mma.sync, for any GPU from sm_80 on.
//
// A block takes 128 rows of one head, a warp 16 of them, and walks 64 slots at a time. Scores, probabilities and sums stay in registers: the
// accumulators of one product are laid out as the first operand of the next. Keys are [nope of this head | rope of the slot]; both parts and the
// values lie in shared memory as rows whose 16-byte pieces are permuted by the row (swizzled), so that neither copies nor ldmatrix conflict.
//
// Rows of a block may belong to several sequences: each sequence's rows are a segment, and the block walks the slots of one segment after the
// other; what a row may not see is masked. A masked slot must not reach a row even if its values are NaN (MLA-004), which a product with a
// probability of 0 would not keep: such slots are taken out of the product and added row by row.
#pragma once
#include "mma.cuh"

namespace heng {

/// Sizes that everything is padded to: 16-column steps of keys and of values.
template <int KEY_STEPS_, int VALUE_STEPS_, bool EXACT_> struct LatentShape {
    static constexpr int ROWS = 128;
    static constexpr int SLOTS = 64;
    static constexpr int KEY_STEPS = KEY_STEPS_;
    static constexpr int VALUE_STEPS = VALUE_STEPS_;
    /// Whether a head has just these steps, and not fewer.
    static constexpr bool EXACT = EXACT_;
    static constexpr int KEY_PITCH = round_up(KEY_STEPS * 2, 8) * 16;
    static constexpr int VALUE_PITCH = round_up(VALUE_STEPS * 2, 8) * 16;
    static constexpr int STAGE_BYTES = SLOTS * (KEY_PITCH + VALUE_PITCH);
    static constexpr int QUERY_BYTES = ROWS * KEY_PITCH;
    static constexpr int SHARED_BYTES = 2 * STAGE_BYTES > QUERY_BYTES ? 2 * STAGE_BYTES : QUERY_BYTES;
    static constexpr int THREADS = 256;
};

/// One head of one block.
struct LatentHead {
    const u16 *q;
    const u16 *expanded;
    const u16 *gathered;
    u16 *y;
    long long q_stride;
    long long y_stride;
    int expanded_width;
    int gathered_width;
    int nope;
    int rope;
    int value;
    int latent;
    float scale;
};

__device__ __forceinline__ u32 piece_at(u32 base, int pitch, int row, int piece) { return base + row * pitch + ((piece ^ (row & 7)) * 16); }

/// Starts the copies of slots first to first + 63 of a sequence. Slots from `length` on and padding columns become zeros.
template <class S>
__device__ __forceinline__ void fetch_slots(const LatentHead &from, long long base, int first, int length, u32 keys, u32 values, int key_steps,
                                            int value_steps, int thread) {
    const int key_pieces = key_steps * 2;
    for (int i = thread; i < S::SLOTS * key_pieces; i += S::THREADS) {
        const int row = i / key_pieces;
        const int column = i % key_pieces * 8;
        const bool there = first + row < length;
        const long long slot = base + first + (there ? row : 0);
        const bool nope = column < from.nope;
        const u16 *source = nope ? from.expanded + slot * from.expanded_width + column
                                 : from.gathered + slot * from.gathered_width + from.latent + (column - from.nope);
        const bool present = there && column < from.nope + from.rope;
        copy_async(piece_at(keys, S::KEY_PITCH, row, i % key_pieces), present ? source : from.gathered, present);
    }
    const int value_pieces = value_steps * 2;
    for (int i = thread; i < S::SLOTS * value_pieces; i += S::THREADS) {
        const int row = i / value_pieces;
        const int column = i % value_pieces * 8;
        const bool present = first + row < length && column < from.value;
        const u16 *source = from.expanded + (base + first + row) * from.expanded_width + from.nope + column;
        copy_async(piece_at(values, S::VALUE_PITCH, row, i % value_pieces), present ? source : from.gathered, present);
    }
}

/// What a thread keeps of its two rows: row l/4 of the warp's 16, and the one eight further down.
template <class S> struct LatentRows {
    u32 query[S::KEY_STEPS][4];
    float sums[S::VALUE_STEPS * 2][4];
    float largest[2];
    float total[2];
};

/// Scores of the warp's 16 rows and 64 slots, before the scale.
template <class S>
__device__ __forceinline__ void latent_scores(const LatentRows<S> &rows, float (&scores)[8][4], u32 keys, int key_steps, int lane) {
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) scores[i][j] = 0.0f;
#pragma unroll
    for (int step = 0; step < S::KEY_STEPS; step++) {
        if (!S::EXACT && step >= key_steps) break;
#pragma unroll
        for (int pair = 0; pair < 4; pair++) {
            u32 blocks[4];
            load_blocks(blocks, piece_at(keys, S::KEY_PITCH, pair * 16 + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2));
            multiply_blocks(scores[pair * 2], rows.query[step], blocks[0], blocks[1]);
            multiply_blocks(scores[pair * 2 + 1], rows.query[step], blocks[2], blocks[3]);
        }
    }
}

/// Turns scores into exponentials under the rows' running maxima; what is past `last` (a row's last visible slot of this tile) becomes 0.
template <class S>
__device__ __forceinline__ void latent_softmax(LatentRows<S> &rows, float (&scores)[8][4], float scale, bool masked, const int (&last)[2], int lane) {
    constexpr float LOG2E = 1.4426950408889634f;
    const float none = __uint_as_float(0xff800000u);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float most = rows.largest[half];
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 2; j++) {
                float &score = scores[i][half * 2 + j];
                score *= scale;
                if (masked && i * 8 + lane % 4 * 2 + j > last[half]) score = none;
                most = fmaxf(most, score);
            }
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
        const float reference = most == none ? 0.0f : most;
        const float factor = exp2f((rows.largest[half] - reference) * LOG2E);
        rows.largest[half] = most;
        float total = rows.total[half] * factor;
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 2; j++) {
                float &score = scores[i][half * 2 + j];
                score = exp2f((score - reference) * LOG2E);
                total += score;
            }
        rows.total[half] = total;
#pragma unroll
        for (int i = 0; i < S::VALUE_STEPS * 2; i++) {
            rows.sums[i][half * 2] *= factor;
            rows.sums[i][half * 2 + 1] *= factor;
        }
    }
}

/// Adds the slots of `slots` (one bit each) to the rows that see them, one by one on the ordinary units, and takes them out of `scores`.
template <class S>
__device__ __forceinline__ void add_slots(LatentRows<S> &rows, float (&scores)[8][4], const u16 *values, unsigned long long slots,
                                          const int (&last)[2], int value_steps, int lane) {
#pragma unroll
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            const int slot = i * 8 + j;
            if ((slots >> slot & 1) == 0) continue;
            const int owner = lane / 4 * 4 + j / 2;
            float p[2];
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const float mine = j % 2 == 0 ? scores[i][half * 2] : scores[i][half * 2 + 1];
                // As the product would take it: rounded to bf16.
                p[half] = low_bf16(pack_bf16(__shfl_sync(0xffffffffu, mine, owner), 0.0f));
            }
#pragma unroll
            for (int column = 0; column < S::VALUE_STEPS * 2; column++) {
                if (!S::EXACT && column >= value_steps * 2) break;
#pragma unroll
                for (int at = 0; at < 2; at++) {
                    const int piece = column ^ (slot & 7);
                    const float value = low_bf16(values[slot * (S::VALUE_PITCH / 2) + piece * 8 + lane % 4 * 2 + at]);
                    if (slot <= last[0]) rows.sums[column][at] = fmaf(p[0], value, rows.sums[column][at]);
                    if (slot <= last[1]) rows.sums[column][2 + at] = fmaf(p[1], value, rows.sums[column][2 + at]);
                }
            }
        }
}

/// Sums of values under the exponentials.
template <class S>
__device__ __forceinline__ void latent_values(LatentRows<S> &rows, const float (&scores)[8][4], u32 values, int value_steps, int lane) {
#pragma unroll
    for (int step = 0; step < 4; step++) {
        const u32 p[4] = {pack_bf16(scores[step * 2][0], scores[step * 2][1]), pack_bf16(scores[step * 2][2], scores[step * 2][3]),
                          pack_bf16(scores[step * 2 + 1][0], scores[step * 2 + 1][1]),
                          pack_bf16(scores[step * 2 + 1][2], scores[step * 2 + 1][3])};
#pragma unroll
        for (int pair = 0; pair < S::VALUE_STEPS; pair++) {
            if (!S::EXACT && pair >= value_steps) break;
            u32 blocks[4];
            load_blocks_transposed(blocks, piece_at(values, S::VALUE_PITCH, step * 16 + lane % 16, pair * 2 + lane / 16));
            multiply_blocks(rows.sums[pair * 2], p, blocks[0], blocks[1]);
            multiply_blocks(rows.sums[pair * 2 + 1], p, blocks[2], blocks[3]);
        }
    }
}

/// The rows of one block that belong to one sequence.
struct Segment {
    int begin;
    int end;
    int sequence;
    /// Smallest and largest position in it; largest is -1 where all rows are padding.
    int lowest;
    int highest;
};

/// The segment that begins at row `begin`: rows of one sequence, with the padding among them.
__device__ __forceinline__ Segment next_segment(const int *positions, const int *sequences, int begin, int count) {
    Segment found{begin, begin, -1, 0x7fffffff, -1};
    for (; found.end < count; found.end++) {
        const int position = positions[found.end];
        if (position < 0) continue;
        if (found.sequence < 0)
            found.sequence = sequences[found.end];
        else if (found.sequence != sequences[found.end])
            break;
        found.lowest = position < found.lowest ? position : found.lowest;
        found.highest = position > found.highest ? position : found.highest;
    }
    return found;
}

/// Shared memory besides the stages.
struct LatentShared {
    int positions[128];
    int sequences[128];
    u32 unsafe[2];
};

/// Notes which slots of a tile hold a value that is infinite or NaN.
template <class S> __device__ __forceinline__ void find_unsafe(const u16 *values, int value_steps, LatentShared &shared, int thread) {
    const int pieces = value_steps * 2;
    for (int i = thread; i < S::SLOTS * pieces; i += S::THREADS) {
        const int row = i / pieces;
        const uint4 value = *reinterpret_cast<const uint4 *>(values + row * (S::VALUE_PITCH / 2) + ((i % pieces) ^ (row & 7)) * 8);
        const u32 words[4] = {value.x, value.y, value.z, value.w};
        bool unsafe = false;
#pragma unroll
        for (int word = 0; word < 4; word++)
            unsafe = unsafe || (words[word] & 0x7f80u) == 0x7f80u || (words[word] & 0x7f800000u) == 0x7f800000u;
        if (unsafe) atomicOr(&shared.unsafe[row / 32], 1u << row % 32);
    }
}

/// The body of the kernels: 128 rows from `first_row` on, of `count` that there are.
template <class S>
__device__ __forceinline__ void latent_attend(const LatentHead &head, const int *all_positions, const int *all_sequences, const int *lengths,
                                              const int *bases, int sequence_count, long long first_row, int count, u8 *memory,
                                              LatentShared &shared) {
    const int thread = threadIdx.x;
    const int lane = thread % 32;
    const int warp_row = thread / 32 * 16;
    const int key_steps = S::EXACT ? S::KEY_STEPS : ceil_div(head.nope + head.rope, 16);
    const int value_steps = S::EXACT ? S::VALUE_STEPS : ceil_div(head.value, 16);
    const u32 base = shared_address(memory);
    if (thread < S::ROWS) {
        shared.positions[thread] = thread < count ? all_positions[first_row + thread] : -1;
        shared.sequences[thread] = thread < count ? all_sequences[first_row + thread] : -1;
    }
    // The query passes through the room of the stages into registers.
    const int query_pieces = key_steps * 2;
    for (int i = thread; i < S::ROWS * query_pieces; i += S::THREADS) {
        const int row = i / query_pieces;
        const int column = i % query_pieces * 8;
        const bool present = row < count && column < head.nope + head.rope;
        copy_async(piece_at(base, S::KEY_PITCH, row, i % query_pieces), head.q + (present ? (first_row + row) * head.q_stride + column : 0), present);
    }
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    LatentRows<S> rows;
#pragma unroll
    for (int step = 0; step < S::KEY_STEPS; step++) {
        if (!S::EXACT && step >= key_steps) break;
        load_blocks(rows.query[step], piece_at(base, S::KEY_PITCH, warp_row + lane % 16, step * 2 + lane / 16));
    }
#pragma unroll
    for (int i = 0; i < S::VALUE_STEPS * 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) rows.sums[i][j] = 0.0f;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        rows.largest[half] = __uint_as_float(0xff800000u);
        rows.total[half] = 0.0f;
    }
    __syncthreads();

    for (int begin = 0; begin < count;) {
        const Segment segment = next_segment(shared.positions, shared.sequences, begin, count);
        begin = segment.end;
        if (segment.highest < 0 || segment.sequence >= sequence_count || segment.sequence < 0) continue;
        const int length = lengths[segment.sequence];
        const long long slots = bases[segment.sequence];
        const int tiles = min(ceil_div(segment.highest + 1, S::SLOTS), ceil_div(length, S::SLOTS));
        const bool alone = segment.begin == 0 && segment.end == count;
        // The last slot that each of the thread's rows sees, and the warp's rows together.
        int last[2];
        int warp_last = -1;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = warp_row + lane / 4 + half * 8;
            last[half] = row >= segment.begin && row < segment.end ? shared.positions[row] : -1;
        }
        for (int row = max(warp_row, segment.begin); row < min(warp_row + 16, segment.end); row++) warp_last = max(warp_last, shared.positions[row]);

        fetch_slots<S>(head, slots, 0, length, base, base + S::SLOTS * S::KEY_PITCH, key_steps, value_steps, thread);
        copy_commit();
        for (int tile = 0; tile < tiles; tile++) {
            const int first = tile * S::SLOTS;
            const int stage = tile % 2 * S::STAGE_BYTES;
            const u32 keys = base + stage;
            const u32 values = keys + S::SLOTS * S::KEY_PITCH;
            u16 *const values_at = reinterpret_cast<u16 *>(memory + stage + S::SLOTS * S::KEY_PITCH);
            if (tile + 1 < tiles) {
                const u32 next = base + (tile + 1) % 2 * S::STAGE_BYTES;
                fetch_slots<S>(head, slots, first + S::SLOTS, length, next, next + S::SLOTS * S::KEY_PITCH, key_steps, value_steps, thread);
            }
            copy_commit();
            copy_wait<1>();
            if (thread < 2) shared.unsafe[thread] = 0;
            __syncthreads();
            const bool masked = !alone || first + S::SLOTS - 1 > segment.lowest;
            if (masked) {
                find_unsafe<S>(values_at, value_steps, shared, thread);
                __syncthreads();
            }
            const unsigned long long unsafe = shared.unsafe[0] | (unsigned long long)shared.unsafe[1] << 32;
            const bool visible = first <= warp_last;
            const int here[2] = {last[0] - first, last[1] - first};
            float scores[8][4];
            if (visible) {
                latent_scores(rows, scores, keys, key_steps, lane);
                latent_softmax(rows, scores, head.scale, masked, here, lane);
            }
            if (unsafe != 0) {
                if (visible) add_slots(rows, scores, values_at, unsafe, here, value_steps, lane);
                __syncthreads();
                for (int i = thread; i < S::SLOTS * (S::VALUE_PITCH / 2); i += S::THREADS)
                    if (unsafe >> (i / (S::VALUE_PITCH / 2)) & 1) values_at[i] = 0;
                __syncthreads();
            }
            if (visible) latent_values(rows, scores, values, value_steps, lane);
            __syncthreads();
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float total = rows.total[half];
        total += __shfl_xor_sync(0xffffffffu, total, 1);
        total += __shfl_xor_sync(0xffffffffu, total, 2);
        const int row = warp_row + lane / 4 + half * 8;
        if (row >= count) continue;
        const bool padding = shared.positions[row] < 0;
        u16 *const y = head.y + (first_row + row) * head.y_stride;
#pragma unroll
        for (int column = 0; column < S::VALUE_STEPS * 2; column++) {
            const int at = column * 8 + lane % 4 * 2;
            if (at < head.value)
                *reinterpret_cast<u32 *>(y + at) =
                    padding ? 0 : pack_bf16(rows.sums[column][half * 2] / total, rows.sums[column][half * 2 + 1] / total);
        }
    }
}

} // namespace heng

// A warp's stream of weights. Rows come in tiles; a ring of words of 16 bytes is always under way to shared memory, across the borders of tiles, and
// each lane multiplies the very words that it asked for, so that nothing has to be synchronised. Weights depend on no other kernel: begin() stands
// above dependency_wait wherever the tiles are known there.
#pragma once
#include "stage.cuh"

// Bytes of shared memory of a ring of so many rows of 32 words, with a scale for each word where there are any.
#define RING_BYTES(rows, scaled) ((rows) * ((scaled) ? 640 : 512))

// R weight rows that a warp takes together: R / 2 adjacent ones of each of two matrices, which may be one, stored as `weight` says; `count` columns
// from `from` on. All tiles of a stream are of one format, with blocks of one size.
struct Place {
    const Weight* weight;
    Matrix m[2];
    int row[2];
    int from;
    int count;
};

DEVICE int bytes_of(int scale_type) { return scale_type == TYPE_F32 ? 4 : scale_type == TYPE_E8M0 ? 1 : 2; }

// The number in a word that was fetched for it, `at` bytes from its beginning.
DEVICE float scale_in(u32 word, int type, u32 at) {
    if (type == TYPE_F32) return as_float(word);
    word >>= 8 * at;
    if (type == TYPE_BF16) return as_float(word << 16);
    return type == TYPE_E8M0 ? e8m0_to_float(word & 255u) : f16_to_float((u16)word);
}

// The shift that divides by a power of two, or -1.
DEVICE int shift_of(int divisor) { return (divisor & (divisor - 1)) == 0 ? __popc(divisor - 1) : -1; }

// Whether a stream of R rows takes a weight: whole words, each under one scale, and whole halves of tiles.
template <int FORMAT, int R>
DEVICE bool is_streamable(const Weight& w) {
    const int columns = Word<FORMAT>::COLUMNS;
    if ((((u64)w.data) | (u64)w.row_bytes | (u64)w.expert_bytes) & 15u) return false;
    if (w.columns % columns != 0 || w.rows % (R / 2) != 0) return false;
    if (FORMAT == FORMAT_E4M3 && w.block_rows % (R / 2) != 0) return false;
    return (FORMAT != FORMAT_E4M3 && FORMAT != FORMAT_I4) || w.block_columns % columns == 0;
}

// RING: rows of 32 words that the ring holds. Source: a function of a tile's number that gives its Place, the same for all lanes of a warp, with
// rows that are multiples of R / 2.
template <int FORMAT, int R, int RING, typename Source>
class Stream {
    static const int COLUMNS = Word<FORMAT>::COLUMNS;
    static const bool SCALED = Word<FORMAT>::SCALED;
    static const int HALF = R / 2;
    static const int DEPTH = RING / R;
    // Steps that are multiplied together, for the sake of their independence.
    static const int BATCH = 2;
    static_assert(DEPTH % BATCH == 0 && DEPTH > BATCH, "a ring holds whole batches");
    // Adjacent rows of E4M3 share the scale of their block.
    static const int SCALES = FORMAT == FORMAT_E4M3 ? 1 : HALF;

    // A tile's first words and scales; a half past the matrix's end stands for its last one.
    struct Lines {
        const u8* data[2];
        const u8* scales[2];
        i64 row_bytes;
        int scale_bytes;
        int words;
        int first;
    };

    const Source& source;
    const int tiles;
    u8* const ring;
    const int lane;
    const int scale_type, block_rows, block_columns;
    const int shift, row_shift;  // by which a column gives its group and a row its block, or -1
    // What is fetched next, and where it goes.
    Lines fetched;
    int tile, word, into;
    // What is multiplied next.
    int next_tile, out_of;

    METHOD int groups_of(const Weight& w) const {
        if (FORMAT == FORMAT_I8) return 1;
        int last = w.columns - 1;
        return (shift >= 0 ? last >> shift : last / block_columns) + 1;
    }

    METHOD int block_of(int row) const { return row_shift >= 0 ? row >> row_shift : row / block_rows; }

    METHOD Lines lines_of(const Place& p) const {
        Lines lines;
        const Weight& w = *p.weight;
        lines.row_bytes = w.row_bytes;
        lines.scale_bytes = SCALED ? groups_of(w) * bytes_of(scale_type) : 0;
        lines.words = p.count / COLUMNS;
        lines.first = p.from / COLUMNS;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            int row = min(p.row[h], w.rows - HALF);
            lines.data[h] = p.m[h].data + w.row_bytes * row + (i64)lines.first * 16;
            lines.scales[h] = p.m[h].scales + (i64)(FORMAT == FORMAT_E4M3 ? block_of(row) : row) * lines.scale_bytes;
        }
        return lines;
    }

    // The group of a word, in bytes of scales.
    METHOD int group_at(const Lines& lines, int mine) const {
        if (FORMAT == FORMAT_I8) return 0;
        int column = (lines.first + mine) * COLUMNS;
        return (shift >= 0 ? column >> shift : column / block_columns) * bytes_of(scale_type);
    }

    METHOD u8* word_at(int slot, int j) const { return ring + (slot * R + j) * 512 + lane * 16; }
    METHOD u32* scale_at(int slot, int j) const { return (u32*)(ring + RING * 512 + (slot * R + j) * 128 + lane * 4); }

    // Asks for the next step; tiles take whole batches of steps.
    METHOD void fetch() {
        if (tile < tiles) {
            if (word == 0) fetched = lines_of(source(tile));
            if (word + lane < fetched.words) {
                const u8* scales[2];
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const u8* line = fetched.data[h] + (word + lane) * 16;
                    if (SCALED) scales[h] = fetched.scales[h] + group_at(fetched, word + lane);
#pragma unroll
                    for (int i = 0; i < HALF; i++) {
                        copy_async16(word_at(into, h * HALF + i), line + i * fetched.row_bytes);
                        if (SCALED && i < SCALES) copy_async4(scale_at(into, h * HALF + i), (const void*)((u64)(scales[h] + i * fetched.scale_bytes) & ~3ull));
                    }
                }
            }
            word += 32;
            if (word >= fetched.words && word % (32 * BATCH) == 0) {
                word = 0;
                tile++;
            }
        }
        commit_copies();
        into = into + 1 == DEPTH ? 0 : into + 1;
    }

    template <int ROWS>
    METHOD void multiply_word(const Place& p, const Lines& lines, int slot, int mine, const float* staged, int stride, float (*sums)[ROWS]) const {
        const int PLANE = stride / COLUMNS * 4;
        bool shifted = FORMAT == FORMAT_I4 && p.m[0].zeros != nullptr;
        uint4 v[R];
        float scale[R], zero[R], part[R][ROWS];
        int group = SCALED ? group_at(lines, mine) : 0;
#pragma unroll
        for (int j = 0; j < R; j++) {
            int h = j / HALF, i = FORMAT == FORMAT_E4M3 ? 0 : j % HALF;
            v[j] = *(const uint4*)word_at(slot, j);
            if (SCALED) scale[j] = scale_in(*scale_at(slot, h * HALF + i), scale_type, ((u32)(u64)lines.scales[h] + i * lines.scale_bytes + group) & 3u);
            if (shifted) {
                int row = min(p.row[h], p.weight->rows - HALF) + j % HALF;
                zero[j] = zero_at(*p.weight, p.m[h].zeros, row, (lines.first + mine) * COLUMNS / block_columns, groups_of(*p.weight)) - 8.0f;
            }
#pragma unroll
            for (int t = 0; t < ROWS; t++) part[j][t] = 0.0f;
        }
#pragma unroll
        for (int quad = 0; quad < COLUMNS / 4; quad++) {
            float4 x[ROWS];
#pragma unroll
            for (int t = 0; t < ROWS; t++) x[t] = *(const float4*)(staged + t * stride + quad * PLANE + mine * 4);
#pragma unroll
            for (int j = 0; j < R; j++) {
                float values[4];
                Word<FORMAT>::decode4(v[j], quad, values);
                if (shifted) {
#pragma unroll
                    for (int c = 0; c < 4; c++) values[c] -= zero[j];
                }
#pragma unroll
                for (int t = 0; t < ROWS; t++) {
                    float sum = part[j][t];
                    sum = fmaf(values[0], x[t].x, sum);
                    sum = fmaf(values[1], x[t].y, sum);
                    sum = fmaf(values[2], x[t].z, sum);
                    part[j][t] = fmaf(values[3], x[t].w, sum);
                }
            }
        }
#pragma unroll
        for (int j = 0; j < R; j++) {
#pragma unroll
            for (int t = 0; t < ROWS; t++) sums[j][t] = SCALED ? fmaf(scale[j], part[j][t], sums[j][t]) : sums[j][t] + part[j][t];
        }
    }

   public:
    // `memory` holds RING_BYTES of this warp's own.
    METHOD Stream(const Weight& alike, const Source& tiles_of, int count, u8* memory, int thread)
        : source(tiles_of),
          tiles(count),
          ring(memory),
          lane(thread),
          scale_type(alike.scale_type),
          block_rows(alike.block_rows),
          block_columns(alike.block_columns),
          shift(shift_of(alike.block_columns)),
          row_shift(shift_of(alike.block_rows)),
          tile(0),
          word(0),
          into(0),
          next_tile(0),
          out_of(0) {}

    // Makes ready for the same number of tiles again, all of them multiplied.
    METHOD void restart() {
        tile = word = into = next_tile = out_of = 0;
        wait_copies<0>();
    }

    // Asks for what comes first.
    METHOD void begin() {
#pragma unroll 1
        for (int i = 0; i < DEPTH; i++) fetch();
    }

    // sums[j][t] += (row j of the next tile) . x[t], for ROWS staged rows of `stride` floats; each lane has its part.
    template <int ROWS>
    METHOD void multiply(const float* staged, int stride, float (*sums)[ROWS]) {
        Place p = source(next_tile++);
        Lines lines = lines_of(p);
#pragma unroll 1
        for (int base = 0; base < lines.words; base += 32 * BATCH) {
            wait_copies<DEPTH - BATCH>();
#pragma unroll
            for (int b = 0; b < BATCH; b++) {
                int mine = base + 32 * b + lane;
                if (mine < lines.words) multiply_word<ROWS>(p, lines, out_of + b, mine, staged, stride, sums);
            }
#pragma unroll
            for (int b = 0; b < BATCH; b++) fetch();
            out_of = out_of + BATCH == DEPTH ? 0 : out_of + BATCH;
        }
    }
};

// The same sums for weights that are not streamable, element by element.
template <int ROWS, int R>
DEVICE void multiply_elements(const Place& p, const float* staged, int stride, int lane, float (*sums)[ROWS]) {
    const Weight& w = *p.weight;
    for (int i = lane; i < p.count; i += 32) {
#pragma unroll
        for (int j = 0; j < R; j++) {
            int row = min(p.row[j / (R / 2)] + j % (R / 2), w.rows - 1);
            float value = weight_at(w, p.m[j / (R / 2)], row, p.from + i);
#pragma unroll
            for (int t = 0; t < ROWS; t++) sums[j][t] = fmaf(value, staged[t * stride + i], sums[j][t]);
        }
    }
}

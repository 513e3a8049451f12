// Which tile a block computes: a plan made on the device from the experts' offsets, and its walk by the persistent grid.
//
// Weights lie on the matrix unit's M, tokens on its N, whose width may be any multiple of 8: an expert's rows are cut into equal tiles
// and only a tile's last columns, fewer than 16, are waste. Entries are sorted by descending tile width: tiles that are computed at the same
// time take the same time, so the fixed assignment tile -> tile mod clusters balances itself, without atomics and with the same
// assignment on every run.
//
// Plan, int32: plan[0] = entries (experts that have rows), plan[1] = token tiles of all entries; entry i at plan + 8 * (i + 1):
// expert, first row, rows, rows of a tile, token tiles before this entry, token tiles of this entry, 0, 0.
// Size: 32 * (experts + 1) bytes. Written by heng_group_plan (dispatch.cu) for one widest tile; used by every GEMM of that width.
#pragma once
#include "types.cuh"

namespace heng {

constexpr int PLAN_WORDS = 8;
/// Token tiles that pass over the same weights together: 8 tiles of 256 rows by 8 pairs of weight tiles fill the grid and fit L2.
constexpr int RASTER = 8;

struct alignas(16) Tile {
    int expert;
    /// First of this block's features (rows of the weight).
    int feature;
    /// First token row, and how many there are.
    int row;
    int rows;
    /// `rows` rounded up to what an instruction is compiled for; 0 ends the walk.
    int columns;
    /// Where the rows' activation scales begin (scale_start).
    int scale;
    /// The block's next tile, so that its weight scales can be fetched a tile ahead; the same tile if there is none.
    int next_expert;
    int next_feature;
};

/// Columns to multiply for `rows` rows: 8, a multiple of 16 up to 128, of 8 up to 256, of 16 beyond (two instructions of half the width).
/// Narrow tiles wait for memory and wide ones for the matrix unit, where 8 columns of padding are worth an instruction of their own.
__host__ __device__ constexpr int columns_for(int rows) {
    return rows <= 8 ? 8 : rows > 128 && rows <= 256 ? (rows + 7) / 8 * 8 : (rows + 15) / 16 * 16;
}
/// The next smaller number that columns_for gives.
__host__ __device__ constexpr int columns_below(int columns) {
    return columns == 16 ? 8 : columns > 128 && columns <= 256 ? columns - 8 : columns - 16;
}

/// First column of an expert's rows in the matrix of activation scales. Experts begin at multiples of 16 there, because the copy engine
/// takes boxes that begin at 16-byte boundaries only; the gaps need no table: 15 columns for each expert before it, rounded down.
__host__ __device__ constexpr int scale_start(int expert, int first_row) { return (first_row + 15 * expert) / 16 * 16; }

class TileWalk {
  public:
    /// `feature_groups`: how many clusters side by side cover all features.
    __device__ TileWalk(const int *plan, int feature_groups) : plan(plan), feature_groups(feature_groups), entries(plan[0]) {}

    /// Finds tile `index`, which must not be smaller than the last; false past the end.
    __device__ bool find(int index, int feature_step, int cluster_size, int rank, Tile &tile) {
        while (index >= end) {
            if (++entry >= entries) return false;
            const int4 head = *reinterpret_cast<const int4 *>(plan + PLAN_WORDS * (entry + 1));
            const int2 tail = *reinterpret_cast<const int2 *>(plan + PLAN_WORDS * (entry + 1) + 4);
            expert = head.x;
            first_row = head.y;
            rows = head.z;
            tile_rows = head.w;
            begin = tail.x * feature_groups;
            tiles = tail.y;
            end = begin + tiles * feature_groups;
        }
        const int local = index - begin;
        const int pass = local / (RASTER * feature_groups);
        const int rest = local - pass * RASTER * feature_groups;
        const int together = min(RASTER, tiles - pass * RASTER);
        const int group = rest / together;
        const int offset = (pass * RASTER + rest - group * together) * tile_rows;
        tile.expert = expert;
        tile.feature = (group * cluster_size + rank) * feature_step;
        tile.row = first_row + offset;
        tile.rows = min(tile_rows, rows - offset);
        tile.columns = columns_for(tile.rows);
        tile.scale = scale_start(expert, first_row) + offset;
        return true;
    }

    /// Whether another tile than the last found reads the same weights.
    __device__ bool weights_again() const { return tiles > 1; }

  private:
    const int *plan;
    int feature_groups;
    int entries;
    int entry = -1;
    int begin = 0;
    int end = 0;
    int expert = 0;
    int first_row = 0;
    int rows = 0;
    int tile_rows = 0;
    int tiles = 0;
};

} // namespace heng

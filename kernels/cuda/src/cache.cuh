// Where a position of a sequence lies in a paged cache (KV-002).
#pragma once
#include "types.cuh"

// The row of slot `position`, or -1 where sequence, position or page is out of range (KV-004).
DEVICE i64 cache_row(const Cache& c, int sequence, int position) {
    if (sequence < 0 || sequence >= c.sequence_count || position / c.page_size >= c.table_stride) return -1;
    int page = ((const int*)c.page_table)[(i64)sequence * c.table_stride + position / c.page_size];
    if (page < 0 || page >= c.pages) return -1;
    return (i64)page * c.page_size + position % c.page_size;
}

// How many slots each of at most `splits` blocks takes of a row that attends to positions 0 to `position`: a multiple of 32.
DEVICE int slots_per_split(int position, int splits) { return ((position + splits) / splits + 31) & ~31; }

// How many blocks then have any; none for a row of padding.
DEVICE int splits_of(int position, int splits) { return position < 0 ? 0 : position / slots_per_split(position, splits) + 1; }

/*
 * Attention over a paged cache, grouped-query and latent.
 *
 * Phases: 0 absorbs the queries (latent form); 1 attends; 2 merges the parts of a long context; 3 multiplies the weighted latents by
 * the value rows of kv_b (latent form). Few rows split the context into parts of fixed length, so that every thread has work and no
 * result depends on how many threads there are; many rows do not, and a task takes a block of adjacent rows of one sequence, whose
 * queries meet each decoded stretch of the cache together.
 */
#include "program.h"

/* Rows from which the context is not split. */
#define WHOLE_ROWS 16

/* Query vectors of a task, about. */
#define TASK_QUERIES 32

/* Query heads, at most: the pointers of a task lie on the stack. */
#define MOST_HEADS 512

/* Key rows that are decoded together: 16 of 512 columns are 32 KiB. */
#define ABSORB_ROWS 16

/* Rows below which each query absorbs the key rows for itself, as they stream past. */
#define STREAMED_ROWS 4

/* Heads that a task of few rows takes, at least: attend takes four queries at once. */
#define LEAST_HEADS 4

/* Rows that a task of phases 0 and 3 takes. */
#define HEAD_ROWS 64

typedef struct shape {
    const heng_cpu_attention *op;
    int64_t streams;       /* key streams: 1 in the latent form, else kv_heads */
    int64_t per_stream;    /* heads that read one stream */
    int64_t key_width;     /* of a query as it meets the keys */
    int64_t value_width;   /* of what is summed */
    int64_t block;         /* rows of a task */
    int64_t vector_stride; /* floats between queries (and results) in shared memory */
} shape;

static shape shape_of(const heng_cpu_instruction *in) {
    const heng_cpu_attention *op = &in->as.attention;
    shape s = {.op = op};
    s.streams = op->latent > 0 ? 1 : op->kv_heads;
    s.per_stream = op->heads / s.streams;
    s.key_width = op->latent > 0 ? op->latent + op->rope : op->key_width;
    s.value_width = op->latent > 0 ? op->latent : op->value_width;
    s.block = heng_max(1, TASK_QUERIES / heng_max(1, s.per_stream));
    s.vector_stride = heng_round_up(heng_max(s.key_width, s.value_width), 16);
    return s;
}

static int64_t most_parts(const heng_cpu_attention *op) { return heng_max(1, heng_ceil_div(op->max_context, HENG_ATTENTION_SPLIT)); }

static int64_t state_floats(const shape *s) { return heng_round_up(s->value_width + 2, 16); }

/* Queries in shared memory: absorbed ones in the latent form; results take their place. */
static int64_t vectors_bytes(const shape *s, int64_t rows) { return rows * s->op->heads * s->vector_stride * 4; }

/* Latents that phase 3 takes at once, packed for gemm or prepared for dot. */
static int64_t prepared_bytes(const heng_level *level, int64_t latent) {
    return heng_round_up(heng_max(heng_packed_bytes(level, HEAD_ROWS, latent), HENG_DOT_TOKENS * 2 * heng_round_up(latent, 128) * 4), 64);
}

static void attention_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_attention *op = &in->as.attention;
    heng_check_pointer(needs, "q", op->q);
    heng_check_pointer(needs, "y", op->y);
    heng_check_type(needs, "round_to", op->round_to);
    heng_check_that(needs, op->heads >= 1 && op->value_width >= 1 && op->max_context >= 0, "a size is not positive");
    heng_check_that(needs, op->heads <= MOST_HEADS, "there are more heads than a task can hold");
    heng_check_that(needs, op->keys != NULL, "keys is null");
    if (needs->wrong != NULL) return;
    heng_check_type(needs, "keys", op->keys->type);
    heng_check_that(needs, op->keys->page_size >= 1, "a page holds no positions");
    if (op->latent > 0) {
        heng_check_weight(needs, "kv_b", op->kv_b);
        if (needs->wrong != NULL) return;
        heng_check_that(needs, op->nope >= 0 && op->rope >= 0 && op->kv_b->columns == op->latent &&
            op->kv_b->rows == op->heads * (op->nope + op->value_width), "kv_b is not [heads * (nope + value_width)][latent]");
        heng_check_that(needs, op->keys->row_stride >= op->latent + op->rope, "a row of the cache is shorter than latent + rope");
    } else {
        heng_check_that(needs, op->values != NULL, "values is null");
        heng_check_that(needs, op->kv_heads >= 1 && op->heads % op->kv_heads == 0, "heads do not divide into kv_heads");
        heng_check_that(needs, op->key_width >= 1, "key_width is not positive");
        if (needs->wrong != NULL) return;
        heng_check_type(needs, "values", op->values->type);
        heng_check_that(needs, op->keys->row_stride >= op->kv_heads * op->key_width, "a row of keys is too short");
        heng_check_that(needs, op->values->row_stride >= op->kv_heads * op->value_width, "a row of values is too short");
    }
    if (needs->wrong != NULL) return;
    shape s = shape_of(in);
    int64_t queries = heng_max(s.block * s.per_stream, TASK_QUERIES);
    int64_t split_rows = heng_min(needs->rows, WHOLE_ROWS - 1);
    needs->shared_bytes = vectors_bytes(&s, needs->rows) + split_rows * op->heads * most_parts(op) * state_floats(&s) * 4;
    int64_t attend = 4 * (HENG_ATTEND_SCRATCH(s.key_width, s.value_width) + queries * state_floats(&s));
    int64_t absorb = op->latent == 0 ? 0 : 4 * heng_max(ABSORB_ROWS * heng_round_up(op->latent, 16) + 4 * HENG_ATTENTION_TILE, heng_combine_floats(op->kv_b));
    int64_t project = op->latent == 0 ? 0 : prepared_bytes(needs->level, op->latent) +
        4 * (heng_round_up(needs->level->gemm_scratch, 16) + HEAD_ROWS * heng_round_up(op->value_width, 16) + 16 * heng_round_up(op->value_width, 16) +
            2 * heng_round_up(heng_ceil_div(op->latent, 8), 16) + 16);
    needs->private_bytes = heng_max(attend, heng_max(absorb, project)) + 256;
}

/* Parts into which this run's longest context is cut. */
static int64_t parts_now(const heng_context *context, const heng_cpu_attention *op) {
    if (context->rows >= WHOLE_ROWS) return 1;
    int64_t longest = 0;
    for (int64_t r = 0; r < context->rows; r++) longest = heng_max(longest, (int64_t)op->positions[r] + 1);
    return heng_max(1, heng_min(most_parts(op), heng_ceil_div(longest, HENG_ATTENTION_SPLIT)));
}

/* Heads of one stream that a task of few rows takes: whole fours, which is how attend groups them, so that bits do not depend on it. */
static int64_t heads_per_task(const heng_context *context, const shape *s) {
    const int64_t streams = heng_max(1, context->rows * s->streams * context->phase_data[0]);
    const int64_t shares = heng_max(1, heng_min(heng_ceil_div(s->per_stream, LEAST_HEADS), context->threads / streams));
    return heng_round_up(heng_ceil_div(s->per_stream, shares), LEAST_HEADS);
}

static int64_t attention_tasks(heng_context *context, int phase) {
    const shape s = shape_of(context->instruction);
    context->phase_data[0] = parts_now(context, s.op);
    switch (phase) {
        case 0: return s.op->latent > 0 ? s.op->heads * heng_ceil_div(context->rows, HEAD_ROWS) : 0;
        case 1:
            if (context->rows >= WHOLE_ROWS) return s.streams * heng_ceil_div(context->rows, s.block);
            context->phase_data[1] = heads_per_task(context, &s);
            return context->rows * s.streams * context->phase_data[0] * heng_ceil_div(s.per_stream, context->phase_data[1]);
        case 2: return context->phase_data[0] > 1 ? context->rows * s.op->heads : 0;
        default: return s.op->latent > 0 ? s.op->heads * heng_ceil_div(context->rows, HEAD_ROWS) : 0;
    }
}

static float *vector_of(const heng_context *context, const shape *s, int64_t row, int64_t head) {
    return (float *)context->shared + (row * s->op->heads + head) * s->vector_stride;
}

static float *part_of(const heng_context *context, const shape *s, int64_t row, int64_t head, int64_t part) {
    float *states = (float *)(context->shared + vectors_bytes(s, context->rows));
    return states + ((row * s->op->heads + head) * context->phase_data[0] + part) * state_floats(s);
}

/* q' = sum_i q_nope[i] * W_key[i], and the rotated part behind it. */
static void absorb(heng_context *context, const shape *s, int64_t head, int64_t row0) {
    const heng_cpu_attention *op = s->op;
    const int64_t rows = heng_min(HEAD_ROWS, context->rows - row0), stride = heng_round_up(op->latent, 16);
    float *keys = (float *)context->scratch, *weights = keys + ABSORB_ROWS * stride;
    for (int64_t r = 0; r < rows; r++) {
        float *sum = vector_of(context, s, row0 + r, head);
        memset(sum, 0, (size_t)op->latent * 4);
        memcpy(sum + op->latent, op->q + (row0 + r) * op->q_stride + head * op->q_head_stride + op->nope, (size_t)op->rope * 4);
    }
    if (rows < STREAMED_ROWS) {
        for (int64_t r = 0; r < rows; r++)
            context->level->combine(op->kv_b, head * (op->nope + op->value_width), op->nope,
                op->q + (row0 + r) * op->q_stride + head * op->q_head_stride, vector_of(context, s, row0 + r, head), keys);
        return;
    }
    /* A few key rows at a time, which stay in the first-level cache while all query rows meet them. */
    for (int64_t i0 = 0; i0 < op->nope; i0 += ABSORB_ROWS) {
        const int64_t some = heng_min(ABSORB_ROWS, op->nope - i0);
        for (int64_t i = 0; i < some; i++)
            context->level->decode(op->kv_b, head * (op->nope + op->value_width) + i0 + i, 0, op->latent, keys + i * stride);
        for (int64_t r0 = 0; r0 < rows; r0 += 4) {
            const int64_t count = heng_min(4, rows - r0);
            float *sums[4];
            for (int64_t r = 0; r < count; r++) {
                sums[r] = vector_of(context, s, row0 + r0 + r, head);
                memcpy(weights + r * HENG_ATTENTION_TILE, op->q + (row0 + r0 + r) * op->q_stride + head * op->q_head_stride + i0, (size_t)some * 4);
            }
            context->level->weighted_sum(count, weights, keys, stride, some, sums, op->latent);
        }
    }
}

static bool pages_are_good(heng_context *context, const heng_cpu_cache *cache, int64_t sequence, int64_t limit) {
    if (sequence < 0 || sequence >= cache->sequences) {
        heng_task_fail(context, "sequence %lld is not one of %lld", sequence, cache->sequences);
        return false;
    }
    int64_t pages = heng_ceil_div(limit, cache->page_size);
    if (pages > cache->table_stride) {
        heng_task_fail(context, "%lld positions need more than %lld pages", limit, cache->table_stride);
        return false;
    }
    const int32_t *table = cache->page_table + sequence * cache->table_stride;
    for (int64_t p = 0; p < pages; p++)
        if (table[p] < 0 || table[p] >= cache->pages) {
            heng_task_fail(context, "page %lld is not one of %lld", table[p], cache->pages);
            return false;
        }
    return true;
}

/* Attends with rows [row0, row0 + rows) of one sequence and `heads` heads of one stream from head0 on; state[row * heads + head]. */
static void attend_rows(heng_context *context, const shape *s, int64_t stream, int64_t head0, int64_t heads, int64_t row0, int64_t rows,
    int64_t begin, int64_t end, float *const *state, float *scratch) {
    const heng_cpu_attention *op = s->op;
    const float *queries[256];
    int64_t limits[256];
    const int64_t sequence = op->sequences[row0];
    if (!pages_are_good(context, op->keys, sequence, end)) return;
    if (op->latent == 0 && !pages_are_good(context, op->values, sequence, end)) return;
    heng_cache_view keys = {op->keys, op->keys->page_table + sequence * op->keys->table_stride, op->latent > 0 ? 0 : stream * op->key_width};
    heng_cache_view values = {0};
    if (op->latent == 0)
        values = (heng_cache_view){op->values, op->values->page_table + sequence * op->values->table_stride, stream * op->value_width};
    /* A stream may serve more heads than one call takes (V3 has 128). */
    const int64_t count = rows * heads;
    for (int64_t q0 = 0; q0 < count; q0 += 256) {
        const int64_t here = heng_min(256, count - q0);
        for (int64_t q = 0; q < here; q++) {
            int64_t row = row0 + (q0 + q) / heads, head = stream * s->per_stream + head0 + (q0 + q) % heads;
            queries[q] = op->latent > 0 ? vector_of(context, s, row, head) : op->q + row * op->q_stride + head * op->q_head_stride;
            limits[q] = heng_max(0, (int64_t)op->positions[row] + 1);
        }
        context->level->attend(queries, limits, here, &keys, s->key_width, op->latent > 0 ? NULL : &values, s->value_width, (float)op->scale,
            begin, end, state + q0, scratch);
    }
}

/* Leaves the weighted mean where it belongs: in y, or over the query, from where phase 3 takes it. */
static void deliver(const heng_context *context, const shape *s, int64_t row, int64_t head, const float *sum, float total) {
    const heng_cpu_attention *op = s->op;
    const bool none = op->positions[row] < 0;
    float *target = op->latent > 0 ? vector_of(context, s, row, head) : op->y + row * op->y_stride + head * op->value_width;
    for (int64_t c = 0; c < s->value_width; c++) target[c] = none ? 0.0f : sum[c] / total;
    if (op->latent == 0) context->level->round(target, op->value_width, op->round_to);
}

static void attend_task(heng_context *context, const shape *s, int64_t task) {
    const heng_cpu_attention *op = s->op;
    float *scratch = (float *)context->scratch;
    float *states = scratch + HENG_ATTEND_SCRATCH(s->key_width, s->value_width);
    const int64_t floats = state_floats(s);
    float *state[MOST_HEADS];
    if (context->rows < WHOLE_ROWS) {
        const int64_t most = context->phase_data[1], shares = heng_ceil_div(s->per_stream, most), head0 = task % shares * most;
        const int64_t parts = context->phase_data[0], part = task / shares % parts, streams = task / shares / parts;
        const int64_t heads = heng_min(most, s->per_stream - head0), stream = streams % s->streams, row = streams / s->streams;
        const int64_t limit = heng_max(0, (int64_t)op->positions[row] + 1);
        const int64_t begin = part * HENG_ATTENTION_SPLIT, end = heng_min(limit, begin + HENG_ATTENTION_SPLIT);
        for (int64_t h = 0; h < heads; h++) {
            state[h] = parts == 1 ? states + h * floats : part_of(context, s, row, stream * s->per_stream + head0 + h, part);
            state[h][0] = -INFINITY;
            memset(state[h] + 1, 0, (size_t)(s->value_width + 1) * 4);
        }
        if (begin < end) attend_rows(context, s, stream, head0, heads, row, 1, begin, end, state, scratch);
        if (parts == 1)
            for (int64_t h = 0; h < heads; h++) deliver(context, s, row, stream * s->per_stream + head0 + h, state[h] + 2, state[h][1]);
        return;
    }
    const int64_t stream = task % s->streams;
    int64_t row = task / s->streams * s->block;
    const int64_t last = heng_min(context->rows, row + s->block);
    while (row < last) {
        int64_t rows = 1, limit = heng_max(0, (int64_t)op->positions[row] + 1);
        while (row + rows < last && op->sequences[row + rows] == op->sequences[row]) {
            limit = heng_max(limit, (int64_t)op->positions[row + rows] + 1);
            rows++;
        }
        for (int64_t q = 0; q < rows * s->per_stream; q++) {
            state[q] = states + q * floats;
            state[q][0] = -INFINITY;
            memset(state[q] + 1, 0, (size_t)(s->value_width + 1) * 4);
        }
        if (limit > 0) attend_rows(context, s, stream, 0, s->per_stream, row, rows, 0, limit, state, scratch);
        for (int64_t q = 0; q < rows * s->per_stream; q++)
            deliver(context, s, row + q / s->per_stream, stream * s->per_stream + q % s->per_stream, state[q] + 2, state[q][1]);
        row += rows;
    }
}

static void merge_task(heng_context *context, const shape *s, int64_t row, int64_t head) {
    const int64_t parts = context->phase_data[0];
    float *first = part_of(context, s, row, head, 0);
    float largest = first[0];
    for (int64_t p = 1; p < parts; p++) {
        float other = part_of(context, s, row, head, p)[0];
        largest = other > largest ? other : largest;
    }
    float *sum = (float *)context->scratch;
    float total = 0;
    memset(sum, 0, (size_t)s->value_width * 4);
    for (int64_t p = 0; p < parts; p++) {
        const float *state = part_of(context, s, row, head, p);
        if (state[1] == 0) continue; /* no position of this part is seen */
        const float factor = expf(state[0] - largest);
        total += factor * state[1];
        for (int64_t c = 0; c < s->value_width; c++) sum[c] += factor * state[2 + c];
    }
    deliver(context, s, row, head, sum, total);
}

/* y[row][head] = W_value * weighted latent. */
static void project(heng_context *context, const shape *s, int64_t head, int64_t row0) {
    const heng_cpu_attention *op = s->op;
    const heng_level *level = context->level;
    const int64_t rows = heng_min(HEAD_ROWS, context->rows - row0), first = head * (op->nope + op->value_width) + op->nope;
    float *prepared = (float *)context->scratch;
    float *gemm = prepared + prepared_bytes(level, op->latent) / 4;
    float *result = gemm + heng_round_up(level->gemm_scratch, 16);
    const int64_t wide = heng_round_up(op->value_width, 16);
    float *turned = result + HEAD_ROWS * wide, *scales = turned + 16 * wide;
    if (rows >= level->gemm_tokens) {
        const float *x[HEAD_ROWS];
        for (int64_t r = 0; r < rows; r++) x[r] = vector_of(context, s, row0 + r, head);
        for (int64_t c = 0; c < op->latent; c += HENG_GEMM_COLUMNS)
            level->pack(x, rows, c, heng_min(HENG_GEMM_COLUMNS, op->latent - c), (char *)prepared + heng_packed_bytes(level, rows, c));
        level->gemm(op->kv_b, first, op->value_width, prepared, rows, result, HEAD_ROWS, gemm);
        for (int64_t r = 0; r < rows; r++) {
            float *y = op->y + (row0 + r) * op->y_stride + head * op->value_width;
            if (r % 16 == 0) level->transpose(result + r, HEAD_ROWS, op->value_width, turned, wide);
            memcpy(y, turned + r % 16 * wide, (size_t)op->value_width * 4);
            level->round(y, op->value_width, op->round_to);
        }
        return;
    }
    for (int64_t r0 = 0; r0 < rows; r0 += HENG_DOT_TOKENS) {
        const int count = (int)heng_min(HENG_DOT_TOKENS, rows - r0);
        const float *x[HENG_DOT_TOKENS];
        for (int r = 0; r < count; r++)
            x[r] = level->prepare(op->kv_b, vector_of(context, s, row0 + r0 + r, head), prepared + r * heng_prepared_floats(op->kv_b));
        level->dot(op->kv_b, first, op->value_width, x, count, result, op->value_width, scales);
        for (int r = 0; r < count; r++) {
            float *y = op->y + (row0 + r0 + r) * op->y_stride + head * op->value_width;
            memcpy(y, result + r * op->value_width, (size_t)op->value_width * 4);
            level->round(y, op->value_width, op->round_to);
        }
    }
}

static void attention_task(heng_context *context, int phase, int64_t task) {
    const shape s = shape_of(context->instruction);
    switch (phase) {
        case 0: absorb(context, &s, task % s.op->heads, task / s.op->heads * HEAD_ROWS); break;
        case 1: attend_task(context, &s, task); break;
        case 2: merge_task(context, &s, task / s.op->heads, task % s.op->heads); break;
        default: project(context, &s, task % s.op->heads, task / s.op->heads * HEAD_ROWS); break;
    }
}

const heng_operation heng_op_attention = {"ATTENTION", 4, attention_check, attention_tasks, attention_task, false};

/*
 * Products with weights: one matrix, a gate and an up matrix together, and the same for sorted rows of experts.
 *
 * Three ways, chosen by the number of rows that meet a matrix: int8 activations (exact, because the graph says so), dot (a few rows:
 * the weights stream past once) and gemm (many rows: weights are decoded a few at a time and meet packed activations).
 */
#include "program.h"

#define GEMM_SLAB HENG_GEMM_TOKENS

/* Weight rows of a task of dot, at most: with four tokens its tile stays in the first-level cache. */
#define DOT_BLOCK_ROWS 512

/* Bytes of weights that make a task, at most: a stream of memory needs some time to get going. */
#define DOT_TASK_BYTES 524288

typedef enum way { WAY_DOT, WAY_GEMM, WAY_INT8 } way;

static bool wants_preparation(const heng_cpu_weight *w) {
    return w->type == HENG_CPU_I4 && (w->block_columns % 8 == 0 || w->block_columns >= w->columns);
}

static way way_for(const heng_level *level, int64_t rows, int64_t quantize) {
    if (quantize) return WAY_INT8;
    return rows >= level->gemm_tokens ? WAY_GEMM : WAY_DOT;
}

/* ---- activations made ready, in memory that all threads share ---- */

typedef struct ready {
    int8_t *q;       /* [rows][q_stride], int8 way */
    float *scales;   /* [rows] */
    int32_t *sums;   /* [rows] */
    float *prepared; /* [rows][p_stride], dot way with int4 */
    int64_t q_stride;
    int64_t p_stride;
} ready;

static int64_t ready_bytes(const heng_cpu_weight *w, int64_t rows, int64_t quantize) {
    if (quantize) return rows * heng_round_up(w->columns, 64) + heng_round_up(rows * 4, 64) * 2;
    if (wants_preparation(w)) return rows * heng_prepared_floats(w) * 4;
    return 0;
}

static ready ready_in(char *memory, const heng_cpu_weight *w, int64_t rows) {
    ready r = {.q_stride = heng_round_up(w->columns, 64), .p_stride = heng_prepared_floats(w)};
    r.scales = (float *)memory;
    r.sums = (int32_t *)(memory + heng_round_up(rows * 4, 64));
    r.q = (int8_t *)(memory + 2 * heng_round_up(rows * 4, 64));
    r.prepared = (float *)memory;
    return r;
}

/* Makes one row ready for int8 or dot. */
static void make_ready(const heng_context *context, const heng_cpu_weight *w, int64_t rows, int64_t quantize, const float *x, int64_t row) {
    ready r = ready_in(context->shared, w, rows);
    if (quantize)
        context->level->quantize(x, w->columns, r.q + row * r.q_stride, &r.scales[row], &r.sums[row]);
    else
        context->level->prepare(w, x, r.prepared + row * r.p_stride);
}

/* ---- tiles ---- */

/* Floats of the tile of one matrix, and of 16 of its tokens turned to rows. */
#define TILE_FLOATS (HENG_GEMM_ROWS * GEMM_SLAB)
#define TURNED_FLOATS (16 * HENG_GEMM_ROWS)

/* A task's own memory, in this order. */
typedef struct workspace {
    float *tiles[2];
    float *turned[2];
    float *bias;
    float *gemm;
    float *scales;
    char *end;
} workspace;

static int64_t dot_scale_bytes(const heng_cpu_weight *w);

static workspace workspace_in(char *memory, const heng_level *level, const heng_cpu_weight *w) {
    workspace s;
    s.tiles[0] = (float *)memory;
    s.tiles[1] = s.tiles[0] + TILE_FLOATS;
    s.turned[0] = s.tiles[1] + TILE_FLOATS;
    s.turned[1] = s.turned[0] + TURNED_FLOATS;
    s.bias = s.turned[1] + TURNED_FLOATS;
    s.gemm = s.bias + DOT_BLOCK_ROWS;
    s.scales = s.gemm + heng_round_up(level->gemm_scratch, 16);
    s.end = (char *)s.scales + dot_scale_bytes(w);
    return s;
}

static int64_t workspace_bytes(const heng_level *level, const heng_cpu_weight *w) {
    return 4 * (2 * TILE_FLOATS + 2 * TURNED_FLOATS + DOT_BLOCK_ROWS + heng_round_up(level->gemm_scratch, 16)) + dot_scale_bytes(w) + 64;
}

/* Multiplies up to HENG_DOT_TOKENS rows that were made ready. `index` names each row among the ready ones, `x` the row itself. */
static void dot_tile(const heng_context *context, const heng_cpu_weight *w, int64_t row0, int64_t rows, int64_t quantize, const ready *r,
    const int64_t *index, const float *const *x, int tokens, float *data, float *scales) {
    if (quantize) {
        const int8_t *q[HENG_DOT_TOKENS];
        float q_scales[HENG_DOT_TOKENS];
        int32_t sums[HENG_DOT_TOKENS];
        for (int t = 0; t < tokens; t++) {
            q[t] = r->q + index[t] * r->q_stride;
            q_scales[t] = r->scales[index[t]];
            sums[t] = r->sums[index[t]];
        }
        context->level->dot_i8(w, row0, rows, q, q_scales, sums, tokens, data, rows);
        return;
    }
    const float *prepared[HENG_DOT_TOKENS];
    for (int t = 0; t < tokens; t++) prepared[t] = wants_preparation(w) ? r->prepared + index[t] * r->p_stride : x[t];
    context->level->dot(w, row0, rows, prepared, tokens, data, rows, scales);
}

/* Bytes of the scales that dot expands: for one row, twice with zero points, and a vector behind them. */
static int64_t dot_scale_bytes(const heng_cpu_weight *w) {
    return w->type == HENG_CPU_I4 ? (heng_round_up(heng_ceil_div(w->columns, 8), 16) * 2 + 16) * 4 : 0;
}

static int64_t dot_rows_per_task(const heng_cpu_weight *w, int64_t matrices, int32_t threads) {
    int64_t fair = heng_ceil_div(w->rows * matrices, (int64_t)threads * (matrices == 1 ? 16 : 8));
    int64_t worth = DOT_TASK_BYTES / heng_max(1, w->row_bytes);
    int64_t rows = heng_max(4, heng_min(heng_max(fair, 4), heng_max(worth, 4)));
    return heng_min(DOT_BLOCK_ROWS, heng_round_up(rows, 4));
}

/* ---- LINEAR and GATED_LINEAR: one or two matrices against all rows ---- */

typedef struct multiplication {
    const heng_cpu_weight *weights[2]; /* the second null for LINEAR */
    const float *x;
    int64_t x_stride;
    int64_t quantize;
    const heng_cpu_weight *bias;
    const float *addend;
    int64_t addend_stride;
    float *y;
    int64_t y_stride;
    int64_t first_round_to; /* of each product */
    int64_t round_to;       /* of the sum, or of the gated product */
} multiplication;

static multiplication linear_of(const heng_cpu_instruction *in) {
    const heng_cpu_linear *op = &in->as.linear;
    return (multiplication){.weights = {op->weight, NULL}, .x = op->x, .x_stride = op->x_stride, .quantize = op->quantize_activations,
        .bias = op->bias, .addend = op->addend, .addend_stride = op->addend_stride, .y = op->y, .y_stride = op->y_stride,
        .first_round_to = op->round_to, .round_to = op->sum_round_to};
}

static multiplication gated_of(const heng_cpu_instruction *in) {
    const heng_cpu_gated_linear *op = &in->as.gated_linear;
    return (multiplication){.weights = {op->gate, op->up}, .x = op->x, .x_stride = op->x_stride, .quantize = op->quantize_activations,
        .y = op->y, .y_stride = op->y_stride, .first_round_to = op->gate_round_to, .round_to = op->round_to};
}

static void check_multiplication(const multiplication *m, heng_needs *needs) {
    const heng_cpu_weight *w = m->weights[0];
    heng_check_weight(needs, "weight", w);
    if (m->weights[1] != NULL) {
        heng_check_weight(needs, "up", m->weights[1]);
        if (needs->wrong == NULL)
            heng_check_that(needs,
                m->weights[1]->rows == w->rows && m->weights[1]->columns == w->columns && m->weights[1]->type == w->type &&
                    m->weights[1]->block_columns == w->block_columns,
                "gate and up differ in shape or type");
    }
    if (needs->wrong == NULL && m->bias != NULL) heng_check_vector(needs, "bias", m->bias, w->rows);
    heng_check_pointer(needs, "x", m->x);
    heng_check_pointer(needs, "y", m->y);
    heng_check_type(needs, "round_to", m->first_round_to);
    heng_check_type(needs, "round_to", m->round_to);
    if (needs->wrong != NULL) return;
    heng_check_that(needs, !m->quantize || w->type == HENG_CPU_I8, "int8 activations meet only int8 weights");
    if (needs->wrong != NULL) return;
    int64_t packed = 0;
    if (!m->quantize && needs->rows >= needs->level->gemm_tokens)
        packed = heng_ceil_div(needs->rows, GEMM_SLAB) * heng_packed_bytes(needs->level, heng_min(GEMM_SLAB, needs->rows), w->columns);
    needs->shared_bytes = heng_max(packed, ready_bytes(w, m->quantize ? needs->rows : needs->level->gemm_tokens, m->quantize));
    needs->private_bytes = workspace_bytes(needs->level, w);
}

static void linear_check(const heng_cpu_instruction *in, heng_needs *needs) {
    multiplication m = linear_of(in);
    check_multiplication(&m, needs);
}

static void gated_check(const heng_cpu_instruction *in, heng_needs *needs) {
    multiplication m = gated_of(in);
    heng_check_that(needs, m.weights[1] != NULL, "up is null");
    check_multiplication(&m, needs);
}

static int64_t multiplication_tasks(heng_context *context, const multiplication *m, int phase) {
    const heng_cpu_weight *w = m->weights[0];
    const way chosen = way_for(context->level, context->rows, m->quantize);
    const int64_t slabs = heng_ceil_div(context->rows, GEMM_SLAB);
    if (phase == 0) {
        if (chosen == WAY_GEMM) return slabs * heng_ceil_div(w->columns, HENG_GEMM_COLUMNS);
        return chosen == WAY_INT8 || wants_preparation(w) ? context->rows : 0;
    }
    if (chosen == WAY_GEMM) {
        /* Narrow matrices are cut finer, so that every thread has something to do. */
        int64_t rows = context->level->gemm_rows;
        while (rows > 32 && slabs * heng_ceil_div(w->rows, rows) < 3 * (int64_t)context->threads) rows /= 2;
        context->phase_data[0] = rows;
        return slabs * heng_ceil_div(w->rows, rows);
    }
    context->phase_data[0] = dot_rows_per_task(w, m->weights[1] != NULL ? 2 : 1, context->threads);
    return heng_ceil_div(w->rows, context->phase_data[0]);
}

/* Finishes one token's rows [row0, row0 + rows): bias, rounding, addition or gating. */
static void finish(const heng_context *context, const multiplication *m, float *first, float *second, const float *bias, int64_t token,
    int64_t row0, int64_t rows) {
    float *y = m->y + token * m->y_stride + row0;
    if (bias != NULL)
        for (int64_t r = 0; r < rows; r++) first[r] += bias[r];
    context->level->round(first, rows, m->first_round_to);
    if (second != NULL) {
        context->level->round(second, rows, m->first_round_to);
        context->level->swiglu(first, second, rows, m->round_to, y);
    } else if (m->addend != NULL) {
        context->level->add(m->addend + token * m->addend_stride + row0, first, rows, m->round_to, y);
    } else {
        memcpy(y, first, (size_t)rows * 4);
    }
}

static void multiplication_task(heng_context *context, const multiplication *m, int phase, int64_t task) {
    const heng_cpu_weight *w = m->weights[0];
    const way chosen = way_for(context->level, context->rows, m->quantize);
    const int matrices = m->weights[1] != NULL ? 2 : 1;
    const int64_t blocks = heng_ceil_div(w->columns, HENG_GEMM_COLUMNS);
    if (phase == 0) {
        if (chosen != WAY_GEMM) {
            make_ready(context, w, context->rows, m->quantize, m->x + task * m->x_stride, task);
            return;
        }
        int64_t t0 = task / blocks * GEMM_SLAB, column0 = task % blocks * HENG_GEMM_COLUMNS;
        int64_t tokens = heng_min(GEMM_SLAB, context->rows - t0), columns = heng_min(HENG_GEMM_COLUMNS, w->columns - column0);
        const float *x[GEMM_SLAB];
        for (int64_t t = 0; t < tokens; t++) x[t] = m->x + (t0 + t) * m->x_stride;
        char *slab = context->shared + t0 / GEMM_SLAB * heng_packed_bytes(context->level, GEMM_SLAB, w->columns);
        context->level->pack(x, tokens, column0, columns, slab + heng_packed_bytes(context->level, tokens, column0));
        return;
    }
    workspace space = workspace_in(context->scratch, context->level, w);
    const int64_t block = context->phase_data[0], row_blocks = heng_ceil_div(w->rows, block);
    /* The slabs that meet the same weights are neighbours: the second finds them in a cache. */
    const int64_t slabs = chosen == WAY_GEMM ? heng_ceil_div(context->rows, GEMM_SLAB) : 1;
    const int64_t row0 = task / slabs % row_blocks * block, rows = heng_min(block, w->rows - row0);
    if (m->bias != NULL)
        context->level->decode_plain(m->bias->type, (const char *)m->bias->data + row0 * heng_type_bytes(m->bias->type), rows, space.bias);
    if (chosen == WAY_GEMM) {
        const int64_t t0 = task % slabs * GEMM_SLAB, tokens = heng_min(GEMM_SLAB, context->rows - t0);
        const char *slab = context->shared + task % slabs * heng_packed_bytes(context->level, GEMM_SLAB, w->columns);
        for (int i = 0; i < matrices; i++)
            context->level->gemm(m->weights[i], row0, rows, slab, tokens, space.tiles[i], GEMM_SLAB, space.gemm);
        for (int64_t t = 0; t < tokens; t++) {
            float *values[2] = {NULL, NULL};
            for (int i = 0; i < matrices; i++) {
                if (t % 16 == 0) context->level->transpose(space.tiles[i] + t, GEMM_SLAB, rows, space.turned[i], HENG_GEMM_ROWS);
                values[i] = space.turned[i] + t % 16 * HENG_GEMM_ROWS;
            }
            finish(context, m, values[0], values[1], m->bias != NULL ? space.bias : NULL, t0 + t, row0, rows);
        }
        return;
    }
    ready r = ready_in(context->shared, w, context->rows);
    for (int64_t t0 = 0; t0 < context->rows; t0 += HENG_DOT_TOKENS) {
        int tokens = (int)heng_min(HENG_DOT_TOKENS, context->rows - t0);
        int64_t index[HENG_DOT_TOKENS];
        const float *x[HENG_DOT_TOKENS];
        for (int t = 0; t < tokens; t++) {
            index[t] = t0 + t;
            x[t] = m->x + (t0 + t) * m->x_stride;
        }
        for (int i = 0; i < matrices; i++)
            dot_tile(context, m->weights[i], row0, rows, m->quantize, &r, index, x, tokens, space.tiles[i], space.scales);
        for (int t = 0; t < tokens; t++)
            finish(context, m, space.tiles[0] + t * rows, matrices == 2 ? space.tiles[1] + t * rows : NULL, m->bias != NULL ? space.bias : NULL, t0 + t,
                row0, rows);
    }
}

static int64_t linear_tasks(heng_context *context, int phase) {
    multiplication m = linear_of(context->instruction);
    return multiplication_tasks(context, &m, phase);
}
static void linear_task(heng_context *context, int phase, int64_t task) {
    multiplication m = linear_of(context->instruction);
    multiplication_task(context, &m, phase, task);
}
static int64_t gated_tasks(heng_context *context, int phase) {
    multiplication m = gated_of(context->instruction);
    return multiplication_tasks(context, &m, phase);
}
static void gated_task(heng_context *context, int phase, int64_t task) {
    multiplication m = gated_of(context->instruction);
    multiplication_task(context, &m, phase, task);
}

const heng_operation heng_op_linear = {"LINEAR", 2, linear_check, linear_tasks, linear_task, false};
const heng_operation heng_op_gated_linear = {"GATED_LINEAR", 2, gated_check, gated_tasks, gated_task, false};

/* ---- experts: each its own matrices against its own sorted rows ---- */

typedef struct expert_multiplication {
    const heng_cpu_weight *weights[2]; /* [experts] each; the second null without a gate */
    int64_t experts;
    const int32_t *offsets;
    const int32_t *origins; /* null if x is sorted */
    int64_t top_k;
    const float *x;
    int64_t x_stride;
    int64_t x_rows; /* rows of x that may be read */
    int64_t slots;
    int64_t quantize;
    float *y;
    int64_t y_stride;
    int64_t first_round_to;
    int64_t round_to;
} expert_multiplication;

static int64_t active_bytes(int64_t experts) { return heng_round_up(experts * 4, 64); }

static void check_experts(const expert_multiplication *m, heng_needs *needs) {
    heng_check_that(needs, m->weights[0] != NULL && m->experts >= 1, "there are no weights");
    if (needs->wrong != NULL) return;
    const heng_cpu_weight *w = m->weights[0];
    for (int i = 0; i < 2 && m->weights[i] != NULL; i++)
        for (int64_t e = 0; e < m->experts && needs->wrong == NULL; e++) {
            const heng_cpu_weight *other = &m->weights[i][e];
            heng_check_weight(needs, "an expert's weight", other);
            heng_check_that(needs,
                other->rows == w->rows && other->columns == w->columns && other->type == w->type &&
                    other->block_columns == w->block_columns && (other->zero_points == NULL) == (w->zero_points == NULL),
                "experts differ in shape or type");
        }
    heng_check_pointer(needs, "x", m->x);
    heng_check_pointer(needs, "y", m->y);
    heng_check_pointer(needs, "offsets", m->offsets);
    heng_check_that(needs, m->top_k >= 1, "top_k is not positive");
    heng_check_type(needs, "round_to", m->first_round_to);
    heng_check_type(needs, "round_to", m->round_to);
    if (needs->wrong != NULL) return;
    heng_check_that(needs, !m->quantize || w->type == HENG_CPU_I8, "int8 activations meet only int8 weights");
    needs->shared_bytes = ready_bytes(w, m->x_rows, m->quantize);
    needs->private_bytes = active_bytes(m->experts) + workspace_bytes(needs->level, w) +
        heng_packed_bytes(needs->level, heng_min(GEMM_SLAB, m->slots), w->columns);
}

static int64_t expert_ready_tasks(const expert_multiplication *m) {
    return m->quantize || wants_preparation(m->weights[0]) ? m->x_rows : 0;
}

static int64_t expert_tasks(heng_context *context, const expert_multiplication *m) {
    int32_t *active = (int32_t *)context->scratch;
    int64_t count = 0;
    if (m->offsets[0] != 0) {
        heng_task_fail(context, "offsets begin at %lld, not at %lld", m->offsets[0], 0);
        return 0;
    }
    for (int64_t e = 0; e < m->experts; e++) {
        if (m->offsets[e] < 0 || m->offsets[e + 1] < m->offsets[e] || m->offsets[e + 1] > m->slots) {
            heng_task_fail(context, "offsets of expert %lld do not ascend within %lld rows", e, m->slots);
            return 0;
        }
        if (m->offsets[e + 1] > m->offsets[e]) active[count++] = (int32_t)e;
    }
    if (count == 0) return 0;
    const heng_cpu_weight *w = m->weights[0];
    int64_t average = (m->offsets[m->experts] - m->offsets[0]) / count;
    int64_t rows;
    if (average < context->level->gemm_tokens) {
        rows = dot_rows_per_task(w, (m->weights[1] != NULL ? 2 : 1) * count, context->threads);
    } else {
        /* Packing an expert's rows is repeated in each of its tasks: as few as keep the threads busy. */
        int64_t parts = heng_max(1, heng_ceil_div(8 * (int64_t)context->threads, count));
        const int64_t block = context->level->gemm_rows;
        rows = heng_max(block, heng_round_up(heng_ceil_div(w->rows, parts), block));
    }
    context->phase_data[0] = rows;
    context->phase_data[1] = heng_ceil_div(w->rows, rows);
    return count * context->phase_data[1];
}

static const float *expert_x(const expert_multiplication *m, int64_t row, int64_t *index) {
    *index = m->origins != NULL ? m->origins[row] / m->top_k : row;
    return m->x + *index * m->x_stride;
}

static void expert_finish(
    const heng_context *context, const expert_multiplication *m, float *first, float *second, int64_t row, int64_t row0, int64_t rows) {
    float *y = m->y + row * m->y_stride + row0;
    context->level->round(first, rows, m->first_round_to);
    if (second != NULL) {
        context->level->round(second, rows, m->first_round_to);
        context->level->swiglu(first, second, rows, m->round_to, y);
    } else {
        memcpy(y, first, (size_t)rows * 4);
    }
}

static void expert_task(heng_context *context, const expert_multiplication *m, int64_t task) {
    const int32_t *active = (const int32_t *)context->scratch;
    const int64_t expert = active[task / context->phase_data[1]];
    const heng_cpu_weight *w = &m->weights[0][expert];
    const int matrices = m->weights[1] != NULL ? 2 : 1;
    const int64_t begin = task % context->phase_data[1] * context->phase_data[0];
    const int64_t end = heng_min(w->rows, begin + context->phase_data[0]);
    workspace space = workspace_in(context->scratch + active_bytes(m->experts), context->level, w);
    const int64_t first = m->offsets[expert], count = m->offsets[expert + 1] - first;
    ready made = ready_in(context->shared, w, m->x_rows);
    if (way_for(context->level, count, m->quantize) == WAY_GEMM) {
        for (int64_t t0 = 0; t0 < count; t0 += GEMM_SLAB) {
            const int64_t tokens = heng_min(GEMM_SLAB, count - t0), block = context->level->gemm_rows;
            const float *x[GEMM_SLAB];
            int64_t index;
            for (int64_t t = 0; t < tokens; t++) x[t] = expert_x(m, first + t0 + t, &index);
            for (int64_t c = 0; c < w->columns; c += HENG_GEMM_COLUMNS)
                context->level->pack(x, tokens, c, heng_min(HENG_GEMM_COLUMNS, w->columns - c),
                    space.end + heng_packed_bytes(context->level, tokens, c));
            for (int64_t row0 = begin; row0 < end; row0 += block) {
                const int64_t rows = heng_min(block, end - row0);
                for (int i = 0; i < matrices; i++)
                    context->level->gemm(&m->weights[i][expert], row0, rows, space.end, tokens, space.tiles[i], GEMM_SLAB, space.gemm);
                for (int64_t t = 0; t < tokens; t++) {
                    float *values[2] = {NULL, NULL};
                    for (int i = 0; i < matrices; i++) {
                        if (t % 16 == 0) context->level->transpose(space.tiles[i] + t, GEMM_SLAB, rows, space.turned[i], HENG_GEMM_ROWS);
                        values[i] = space.turned[i] + t % 16 * HENG_GEMM_ROWS;
                    }
                    expert_finish(context, m, values[0], values[1], first + t0 + t, row0, rows);
                }
            }
        }
        return;
    }
    for (int64_t row0 = begin; row0 < end; row0 += DOT_BLOCK_ROWS) {
        const int64_t rows = heng_min(DOT_BLOCK_ROWS, end - row0);
        for (int64_t t0 = 0; t0 < count; t0 += HENG_DOT_TOKENS) {
            int tokens = (int)heng_min(HENG_DOT_TOKENS, count - t0);
            int64_t index[HENG_DOT_TOKENS];
            const float *x[HENG_DOT_TOKENS];
            for (int t = 0; t < tokens; t++) x[t] = expert_x(m, first + t0 + t, &index[t]);
            for (int i = 0; i < matrices; i++)
                dot_tile(context, &m->weights[i][expert], row0, rows, m->quantize, &made, index, x, tokens, space.tiles[i], space.scales);
            for (int t = 0; t < tokens; t++)
                expert_finish(
                    context, m, space.tiles[0] + t * rows, matrices == 2 ? space.tiles[1] + t * rows : NULL, first + t0 + t, row0, rows);
        }
    }
}

static void expert_make_ready(heng_context *context, const expert_multiplication *m, int64_t row) {
    /* Rows past the last offset hold nothing; making them ready is harmless. */
    make_ready(context, m->weights[0], m->x_rows, m->quantize, m->x + row * m->x_stride, row);
}

static expert_multiplication expert_linear_of(const heng_cpu_instruction *in, int64_t rows) {
    const heng_cpu_expert_linear *op = &in->as.expert_linear;
    return (expert_multiplication){.weights = {op->weights, NULL}, .experts = op->experts, .offsets = op->offsets, .origins = op->origins,
        .top_k = op->top_k, .x = op->x, .x_stride = op->x_stride, .x_rows = op->origins != NULL ? rows / heng_max(1, op->top_k) : rows,
        .slots = rows, .quantize = op->quantize_activations, .y = op->y, .y_stride = op->y_stride, .first_round_to = op->round_to};
}

static expert_multiplication expert_gate_up_of(const heng_cpu_instruction *in, int64_t rows) {
    const heng_cpu_expert_gate_up *op = &in->as.expert_gate_up;
    return (expert_multiplication){.weights = {op->gate, op->up}, .experts = op->experts, .offsets = op->offsets, .origins = op->origins,
        .top_k = op->top_k, .x = op->x, .x_stride = op->x_stride, .x_rows = op->origins != NULL ? rows / heng_max(1, op->top_k) : rows,
        .slots = rows, .quantize = op->quantize_activations, .y = op->h, .y_stride = op->h_stride, .first_round_to = op->gate_round_to,
        .round_to = op->round_to};
}

static void expert_linear_check(const heng_cpu_instruction *in, heng_needs *needs) {
    expert_multiplication m = expert_linear_of(in, needs->rows);
    check_experts(&m, needs);
}
static int64_t expert_linear_tasks(heng_context *context, int phase) {
    expert_multiplication m = expert_linear_of(context->instruction, context->rows);
    return phase == 0 ? expert_ready_tasks(&m) : expert_tasks(context, &m);
}
static void expert_linear_task(heng_context *context, int phase, int64_t task) {
    expert_multiplication m = expert_linear_of(context->instruction, context->rows);
    if (phase == 0)
        expert_make_ready(context, &m, task);
    else
        expert_task(context, &m, task);
}

static void expert_gate_up_check(const heng_cpu_instruction *in, heng_needs *needs) {
    expert_multiplication m = expert_gate_up_of(in, needs->rows);
    heng_check_that(needs, m.weights[1] != NULL, "up is null");
    check_experts(&m, needs);
}
static int64_t expert_gate_up_tasks(heng_context *context, int phase) {
    expert_multiplication m = expert_gate_up_of(context->instruction, context->rows);
    return phase == 0 ? expert_ready_tasks(&m) : expert_tasks(context, &m);
}
static void expert_gate_up_task(heng_context *context, int phase, int64_t task) {
    expert_multiplication m = expert_gate_up_of(context->instruction, context->rows);
    if (phase == 0)
        expert_make_ready(context, &m, task);
    else
        expert_task(context, &m, task);
}

const heng_operation heng_op_expert_linear = {"EXPERT_LINEAR", 2, expert_linear_check, expert_linear_tasks, expert_linear_task, false};
const heng_operation heng_op_expert_gate_up = {"EXPERT_GATE_UP", 2, expert_gate_up_check, expert_gate_up_tasks, expert_gate_up_task, false};

/*
 * Down and combine: all products of experts first, into shared memory, then the sums. For one token, too: a task that took some output
 * elements through all experts would save a meeting, but read each expert in short streams, which costs more than the meeting.
 */
static expert_multiplication down_of(const heng_cpu_instruction *in, int64_t rows, float *y) {
    const heng_cpu_expert_down *op = &in->as.expert_down;
    return (expert_multiplication){.weights = {op->down, NULL}, .experts = op->experts, .offsets = op->offsets, .origins = NULL,
        .top_k = op->top_k, .x = op->h, .x_stride = op->h_stride, .x_rows = rows * op->top_k, .slots = rows * op->top_k,
        .quantize = op->quantize_activations, .y = y, .y_stride = op->down != NULL ? op->down->rows : 0, .first_round_to = op->down_round_to};
}

static int64_t down_ready_bytes(const heng_cpu_instruction *in, int64_t rows) {
    const heng_cpu_expert_down *op = &in->as.expert_down;
    return heng_round_up(ready_bytes(op->down, rows * op->top_k, op->quantize_activations), 64);
}

static void expert_down_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_expert_down *op = &in->as.expert_down;
    expert_multiplication m = down_of(in, needs->rows, op->y);
    check_experts(&m, needs);
    heng_check_pointer(needs, "ids", op->ids);
    heng_check_pointer(needs, "places", op->places);
    heng_check_pointer(needs, "weights", op->weights);
    heng_check_type(needs, "round_to", op->round_to);
    heng_check_type(needs, "sum_round_to", op->sum_round_to);
    if (needs->wrong != NULL) return;
    needs->shared_bytes = down_ready_bytes(in, needs->rows) + needs->rows * op->top_k * op->down->rows * 4;
    needs->private_bytes = heng_max(needs->private_bytes, 4 * op->down->rows);
}

static int64_t expert_down_tasks(heng_context *context, int phase) {
    float *rows = (float *)(context->shared + down_ready_bytes(context->instruction, context->rows));
    expert_multiplication m = down_of(context->instruction, context->rows, rows);
    if (phase == 0) return expert_ready_tasks(&m);
    return phase == 1 ? expert_tasks(context, &m) : context->rows;
}

static void finish_down(const heng_context *context, const heng_cpu_expert_down *op, float *sum, int64_t token, int64_t rows) {
    float *y = op->y + token * op->y_stride;
    context->level->round(sum, rows, op->round_to);
    if (op->addend != NULL)
        context->level->add(op->addend + token * op->addend_stride, sum, rows, op->sum_round_to, y);
    else
        memcpy(y, sum, (size_t)rows * 4);
}

static void expert_down_task(heng_context *context, int phase, int64_t task) {
    const heng_cpu_expert_down *op = &context->instruction->as.expert_down;
    float *products = (float *)(context->shared + down_ready_bytes(context->instruction, context->rows));
    expert_multiplication m = down_of(context->instruction, context->rows, products);
    if (phase == 0) {
        expert_make_ready(context, &m, task);
        return;
    }
    const int64_t columns = op->down->rows;
    float *sum = (float *)context->scratch;
    if (phase == 1) {
        expert_task(context, &m, task);
        return;
    }
    memset(sum, 0, (size_t)columns * 4);
    for (int64_t j = 0; j < op->top_k; j++) {
        int64_t place = op->places[task * op->top_k + j];
        if (place < 0) continue;
        const float weight = op->weights[task * op->top_k + j], *product = products + place * columns;
        for (int64_t c = 0; c < columns; c++) sum[c] += weight * product[c];
    }
    finish_down(context, op, sum, task, columns);
}

const heng_operation heng_op_expert_down = {"EXPERT_DOWN", 3, expert_down_check, expert_down_tasks, expert_down_task, false};

/* Operations whose rows are independent and cheap: each task is a few rows. */
#include "program.h"

#include <float.h>
#include <stdio.h>

void heng_check_that(heng_needs *needs, bool holds, const char *message) {
    if (!holds && needs->wrong == NULL) needs->wrong = message;
}

static void wrong(heng_needs *needs, const char *field, const char *what) {
    if (needs->wrong != NULL) return;
    snprintf(needs->text, sizeof needs->text, "%s %s", field, what);
    needs->wrong = needs->text;
}

void heng_check_pointer(heng_needs *needs, const char *field, const void *pointer) {
    if (pointer == NULL && needs->rows > 0) wrong(needs, field, "is null");
}

void heng_check_type(heng_needs *needs, const char *field, int64_t type) {
    if (type != HENG_CPU_F32 && type != HENG_CPU_BF16 && type != HENG_CPU_F16) wrong(needs, field, "is not F32, BF16 or F16");
}

void heng_check_weight(heng_needs *needs, const char *field, const heng_cpu_weight *w) {
    if (w == NULL) {
        wrong(needs, field, "is null");
        return;
    }
    if (w->rows < 0 || w->columns < 0 || w->columns > INT64_C(1) << 31) wrong(needs, field, "has a dimension out of range");
    if (w->data == NULL && w->rows * w->columns > 0) wrong(needs, field, "has no data");
    switch (w->type) {
        case HENG_CPU_F32:
        case HENG_CPU_BF16:
        case HENG_CPU_F16: return;
        case HENG_CPU_I8:
            if (w->scale_type != HENG_CPU_F32 && w->scale_type != HENG_CPU_BF16 && w->scale_type != HENG_CPU_F16)
                wrong(needs, field, "has scales of a type that int8 does not take");
            break;
        case HENG_CPU_E4M3:
            if (w->block_rows <= 0 || w->block_columns <= 0) wrong(needs, field, "has blocks of no elements");
            if (w->scale_type != HENG_CPU_F32 && w->scale_type != HENG_CPU_BF16 && w->scale_type != HENG_CPU_F16 &&
                w->scale_type != HENG_CPU_E8M0)
                wrong(needs, field, "has scales of a type that FP8 does not take");
            break;
        case HENG_CPU_I4:
            if (w->block_columns <= 0) wrong(needs, field, "has groups of no elements");
            if (w->scale_type != HENG_CPU_F32 && w->scale_type != HENG_CPU_BF16 && w->scale_type != HENG_CPU_F16)
                wrong(needs, field, "has scales of a type that int4 does not take");
            break;
        default: wrong(needs, field, "has a type that weights do not have"); return;
    }
    if (w->scales == NULL && w->rows * w->columns > 0) wrong(needs, field, "has no scales");
}

void heng_check_vector(heng_needs *needs, const char *field, const heng_cpu_weight *w, int64_t columns) {
    heng_check_weight(needs, field, w);
    if (needs->wrong != NULL) return;
    heng_check_type(needs, field, w->type);
    if (w->columns != columns) wrong(needs, field, "has another length than what it meets");
}

/* Rows to a task, so that a task is some ten thousand elements. */
static int64_t rows_per_task(int64_t columns) { return heng_max(1, 16384 / heng_max(1, columns)); }

static int64_t row_tasks(const heng_context *context, int64_t columns) {
    return heng_ceil_div(context->rows, rows_per_task(columns));
}

#define EACH_ROW(columns)                                                                                            \
    for (int64_t r = task * rows_per_task(columns), end = heng_min(context->rows, r + rows_per_task(columns)); r < end; r++)

/* ---- embed ---- */

static void embed_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_embed *op = &in->as.embed;
    heng_check_weight(needs, "table", op->table);
    heng_check_pointer(needs, "y", op->y);
    heng_check_type(needs, "round_to", op->round_to);
}

static int64_t embed_tasks(heng_context *context, int phase) {
    (void)phase;
    return row_tasks(context, context->instruction->as.embed.table->columns);
}

static void embed_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_embed *op = &context->instruction->as.embed;
    EACH_ROW(op->table->columns) {
        int64_t id = op->tokens[r];
        if (id < 0 || id >= op->table->rows) {
            heng_task_fail(context, "token id %lld is not within the table's %lld rows", id, op->table->rows);
            continue;
        }
        float *y = op->y + r * op->y_stride;
        context->level->decode(op->table, id, 0, op->table->columns, y);
        context->level->round(y, op->table->columns, op->round_to);
    }
}

const heng_operation heng_op_embed = {"EMBED", 1, embed_check, embed_tasks, embed_task, false};

/* ---- rms_norm ---- */

static void rms_norm_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_rms_norm *op = &in->as.rms_norm;
    heng_check_pointer(needs, "x", op->x);
    heng_check_pointer(needs, "y", op->y);
    heng_check_weight(needs, "weight", op->weight);
    if (needs->wrong == NULL) heng_check_type(needs, "weight", op->weight->type);
    heng_check_that(needs, op->groups >= 1, "groups is not positive");
    heng_check_that(needs, (op->addend == NULL) == (op->sum == NULL), "addend and sum go together");
    heng_check_type(needs, "round_to", op->round_to);
    heng_check_type(needs, "sum_round_to", op->sum_round_to);
    if (needs->wrong == NULL) needs->private_bytes = op->weight->columns * 4;
}

static int64_t rms_norm_tasks(heng_context *context, int phase) {
    (void)phase;
    const heng_cpu_rms_norm *op = &context->instruction->as.rms_norm;
    return row_tasks(context, op->weight->columns * op->groups);
}

static void rms_norm_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_rms_norm *op = &context->instruction->as.rms_norm;
    const int64_t columns = op->weight->columns;
    float *weight = (float *)context->scratch;
    context->level->decode_plain(op->weight->type, op->weight->data, columns, weight);
    EACH_ROW(columns * op->groups) {
        const float *x = op->x + r * op->x_stride;
        if (op->addend != NULL) {
            float *sum = op->sum + r * op->sum_stride;
            context->level->add(x, op->addend + r * op->addend_stride, columns * op->groups, op->sum_round_to, sum);
            x = sum;
        }
        for (int64_t g = 0; g < op->groups; g++)
            context->level->rms_norm(
                x + g * columns, weight, columns, op->epsilon, op->round_to, op->y + r * op->y_stride + g * columns);
    }
}

const heng_operation heng_op_rms_norm = {"RMS_NORM", 1, rms_norm_check, rms_norm_tasks, rms_norm_task, false};

/* ---- swiglu, add ---- */

static void swiglu_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_swiglu *op = &in->as.swiglu;
    heng_check_pointer(needs, "gate", op->gate);
    heng_check_pointer(needs, "up", op->up);
    heng_check_pointer(needs, "y", op->y);
    heng_check_type(needs, "round_to", op->round_to);
}

static int64_t swiglu_tasks(heng_context *context, int phase) {
    (void)phase;
    return row_tasks(context, context->instruction->as.swiglu.columns);
}

static void swiglu_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_swiglu *op = &context->instruction->as.swiglu;
    EACH_ROW(op->columns)
    context->level->swiglu(op->gate + r * op->gate_stride, op->up + r * op->up_stride, op->columns, op->round_to, op->y + r * op->y_stride);
}

const heng_operation heng_op_swiglu = {"SWIGLU", 1, swiglu_check, swiglu_tasks, swiglu_task, false};

static void add_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_add *op = &in->as.add;
    heng_check_pointer(needs, "a", op->a);
    heng_check_pointer(needs, "b", op->b);
    heng_check_pointer(needs, "y", op->y);
    heng_check_type(needs, "round_to", op->round_to);
}

static int64_t add_tasks(heng_context *context, int phase) {
    (void)phase;
    return row_tasks(context, context->instruction->as.add.columns);
}

static void add_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_add *op = &context->instruction->as.add;
    EACH_ROW(op->columns)
    context->level->add(op->a + r * op->a_stride, op->b + r * op->b_stride, op->columns, op->round_to, op->y + r * op->y_stride);
}

const heng_operation heng_op_add = {"ADD", 1, add_check, add_tasks, add_task, false};

/* ---- copy ---- */

static void copy_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_copy *op = &in->as.copy;
    heng_check_type(needs, "x_type", op->x_type);
    heng_check_type(needs, "y_type", op->y_type);
    heng_check_type(needs, "round_to", op->round_to);
    needs->private_bytes = op->columns * 4;
}

static int64_t copy_tasks(heng_context *context, int phase) {
    (void)phase;
    return row_tasks(context, context->instruction->as.copy.columns);
}

static void store_as(int64_t type, const float *x, int64_t count, void *y) {
    if (type == HENG_CPU_F32) {
        memmove(y, x, (size_t)count * 4);
        return;
    }
    uint16_t *halves = y;
    if (type == HENG_CPU_BF16)
        for (int64_t i = 0; i < count; i++) halves[i] = heng_float_to_bf16(x[i]);
    else
        for (int64_t i = 0; i < count; i++) halves[i] = heng_float_to_f16(x[i]);
}

static void copy_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_copy *op = &context->instruction->as.copy;
    float *row = (float *)context->scratch;
    EACH_ROW(op->columns) {
        const char *x = (const char *)op->x + r * op->x_stride * heng_type_bytes(op->x_type);
        char *y = (char *)op->y + r * op->y_stride * heng_type_bytes(op->y_type);
        context->level->decode_plain(op->x_type, x, op->columns, row);
        context->level->round(row, op->columns, op->round_to);
        store_as(op->y_type, row, op->columns, y);
    }
}

const heng_operation heng_op_copy = {"COPY", 1, copy_check, copy_tasks, copy_task, false};

/* ---- rope ---- */

static void rope_table_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_rope_table *op = &in->as.rope_table;
    heng_check_pointer(needs, "inverse", op->inverse);
    heng_check_pointer(needs, "table", op->table);
    heng_check_that(needs, op->pairs >= 1, "pairs is not positive");
}

static int64_t rope_table_tasks(heng_context *context, int phase) {
    (void)phase;
    return row_tasks(context, context->instruction->as.rope_table.pairs * 16);
}

static void rope_table_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_rope_table *op = &context->instruction->as.rope_table;
    EACH_ROW(op->pairs * 16) {
        double *table = op->table + r * 2 * op->pairs;
        for (int64_t i = 0; i < op->pairs; i++) {
            double angle = (double)op->positions[r] * op->inverse[i];
            table[i] = cos(angle) * op->factor;
            table[op->pairs + i] = sin(angle) * op->factor;
        }
    }
}

const heng_operation heng_op_rope_table = {"ROPE_TABLE", 1, rope_table_check, rope_table_tasks, rope_table_task, false};

static void rope_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_rope *op = &in->as.rope;
    heng_check_pointer(needs, "x", op->x);
    heng_check_pointer(needs, "y", op->y);
    heng_check_pointer(needs, "table", op->table);
    heng_check_that(needs, op->offset >= 0 && op->pairs >= 1 && op->offset + 2 * op->pairs <= op->width,
        "the rotated elements do not lie within a head");
    heng_check_type(needs, "round_to", op->round_to);
}

static int64_t rope_tasks(heng_context *context, int phase) {
    (void)phase;
    const heng_cpu_rope *op = &context->instruction->as.rope;
    return row_tasks(context, op->heads * op->width);
}

static void rope_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_rope *op = &context->instruction->as.rope;
    EACH_ROW(op->heads * op->width) {
        const double *cosines = op->table + r * 2 * op->pairs, *sines = cosines + op->pairs;
        for (int64_t h = 0; h < op->heads; h++) {
            const float *x = op->x + r * op->x_stride + h * op->x_head_stride;
            float *y = op->y + r * op->y_stride + h * op->y_head_stride;
            if (x != y) {
                memcpy(y, x, (size_t)op->offset * 4);
                int64_t rest = op->offset + 2 * op->pairs;
                memcpy(y + rest, x + rest, (size_t)(op->width - rest) * 4);
            }
            x += op->offset;
            y += op->offset;
            const int64_t first = op->interleaved ? 2 : 1, second = op->interleaved ? 1 : op->pairs;
            for (int64_t i = 0; i < op->pairs; i++) {
                double a = x[i * first], b = x[i * first + second];
                y[i * first] = (float)(a * cosines[i] - b * sines[i]);
                y[i * first + second] = (float)(a * sines[i] + b * cosines[i]);
            }
            context->level->round(y, 2 * op->pairs, op->round_to);
        }
    }
}

const heng_operation heng_op_rope = {"ROPE", 1, rope_check, rope_tasks, rope_task, false};

/* ---- cache_append ---- */

static void cache_append_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_cache_append *op = &in->as.cache_append;
    heng_check_pointer(needs, "x", op->x);
    heng_check_that(needs, op->cache != NULL, "cache is null");
    if (needs->wrong != NULL) return;
    heng_check_type(needs, "cache", op->cache->type);
    heng_check_that(needs, op->columns >= 0 && op->column_offset >= 0 && op->column_offset + op->columns <= op->cache->row_stride,
        "the columns do not lie within a row of the cache");
}

/* A refused append writes nothing: all rows are looked at before the first is written, in a phase of its own if there are many. */
static int64_t cache_append_tasks(heng_context *context, int phase) {
    int64_t writing = row_tasks(context, context->instruction->as.cache_append.columns);
    context->phase_data[0] = writing;
    return phase == 1 ? writing : writing > 1 ? 1 : 0;
}

static bool cache_append_fits(heng_context *context, const heng_cpu_cache_append *op) {
    const heng_cpu_cache *cache = op->cache;
    for (int64_t r = 0; r < context->rows; r++) {
        int64_t position = op->positions[r];
        if (position < 0) continue;
        int64_t sequence = op->sequences[r];
        if (sequence < 0 || sequence >= cache->sequences) {
            heng_task_fail(context, "sequence %lld is not one of %lld", sequence, cache->sequences);
            return false;
        }
        if (position / cache->page_size >= cache->table_stride) {
            heng_task_fail(context, "position %lld needs more than %lld pages", position, cache->table_stride);
            return false;
        }
        int64_t page = cache->page_table[sequence * cache->table_stride + position / cache->page_size];
        if (page < 0 || page >= cache->pages) {
            heng_task_fail(context, "page %lld is not one of %lld", page, cache->pages);
            return false;
        }
    }
    return true;
}

static void cache_append_task(heng_context *context, int phase, int64_t task) {
    const heng_cpu_cache_append *op = &context->instruction->as.cache_append;
    if (phase == 0 || context->phase_data[0] == 1) {
        if (!cache_append_fits(context, op) || phase == 0) return;
    }
    EACH_ROW(op->columns) {
        int64_t position = op->positions[r];
        if (position < 0) continue;
        heng_cache_view view = {op->cache, op->cache->page_table + op->sequences[r] * op->cache->table_stride, op->column_offset};
        store_as(op->cache->type, op->x + r * op->x_stride, op->columns, (void *)(uintptr_t)heng_cache_at(&view, position));
    }
}

const heng_operation heng_op_cache_append = {"CACHE_APPEND", 2, cache_append_check, cache_append_tasks, cache_append_task, false};

/* ---- argmax, gather, combine, quantize_e4m3 ---- */

static void argmax_check(const heng_cpu_instruction *in, heng_needs *needs) {
    heng_check_pointer(needs, "x", in->as.argmax.x);
    heng_check_that(needs, in->as.argmax.columns >= 1, "columns is not positive");
}

static int64_t argmax_tasks(heng_context *context, int phase) {
    (void)phase;
    return row_tasks(context, context->instruction->as.argmax.columns);
}

static void argmax_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_argmax *op = &context->instruction->as.argmax;
    EACH_ROW(op->columns) op->ids[r] = (int32_t)context->level->argmax(op->x + r * op->x_stride, op->columns);
}

const heng_operation heng_op_argmax = {"ARGMAX", 1, argmax_check, argmax_tasks, argmax_task, false};

static void gather_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_gather *op = &in->as.gather;
    heng_check_pointer(needs, "x", op->x);
    heng_check_pointer(needs, "y", op->y);
    heng_check_that(needs, op->divisor >= 1, "divisor is not positive");
}

static int64_t gather_tasks(heng_context *context, int phase) {
    (void)phase;
    return row_tasks(context, context->instruction->as.gather.columns);
}

static void gather_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_gather *op = &context->instruction->as.gather;
    const int64_t x_rows = heng_count_of(&op->x_rows, context->sizes);
    EACH_ROW(op->columns) {
        int64_t row = op->rows_of[r];
        if (row < 0 && op->skip_negative) continue;
        if (row < 0 || row / op->divisor >= x_rows) {
            heng_task_fail(context, "row %lld is not one of %lld", row, x_rows);
            continue;
        }
        memcpy(op->y + r * op->y_stride, op->x + row / op->divisor * op->x_stride, (size_t)op->columns * 4);
    }
}

const heng_operation heng_op_gather = {"GATHER", 1, gather_check, gather_tasks, gather_task, false};

static void combine_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_combine *op = &in->as.combine;
    heng_check_pointer(needs, "x", op->x);
    heng_check_pointer(needs, "y", op->y);
    heng_check_pointer(needs, "places", op->places);
    heng_check_type(needs, "round_to", op->round_to);
}

static int64_t combine_tasks(heng_context *context, int phase) {
    (void)phase;
    const heng_cpu_combine *op = &context->instruction->as.combine;
    return row_tasks(context, op->columns * op->top_k);
}

static void combine_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_combine *op = &context->instruction->as.combine;
    EACH_ROW(op->columns * op->top_k) {
        float *y = op->y + r * op->y_stride;
        memset(y, 0, (size_t)op->columns * 4);
        for (int64_t j = 0; j < op->top_k; j++) {
            int64_t place = op->places[r * op->top_k + j];
            if (place < 0) continue;
            const float *x = op->x + place * op->x_stride;
            const float weight = op->weights[r * op->top_k + j];
            for (int64_t c = 0; c < op->columns; c++) y[c] += weight * x[c];
        }
        context->level->round(y, op->columns, op->round_to);
    }
}

const heng_operation heng_op_combine = {"COMBINE", 1, combine_check, combine_tasks, combine_task, false};

static void quantize_e4m3_check(const heng_cpu_instruction *in, heng_needs *needs) {
    heng_check_pointer(needs, "x", in->as.quantize_e4m3.x);
    heng_check_pointer(needs, "y", in->as.quantize_e4m3.y);
}

static int64_t quantize_e4m3_tasks(heng_context *context, int phase) {
    (void)phase;
    return row_tasks(context, context->instruction->as.quantize_e4m3.columns);
}

/* Nearest E4M3 number, ties to even, saturating at 448. */
static float to_e4m3(float x) {
    if (!(x == x)) return x;
    float a = fabsf(x);
    int exponent;
    frexpf(a, &exponent); /* a = m * 2^exponent, m in [0.5, 1) */
    float unit = ldexpf(1.0f, exponent - 4 < -9 ? -9 : exponent - 4); /* three bits after the leading one, or subnormal 2^-9 */
    float rounded = rintf(a / unit) * unit;
    rounded = rounded > 448.0f ? 448.0f : rounded;
    return copysignf(rounded, x);
}

static void quantize_e4m3_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    const heng_cpu_quantize_e4m3 *op = &context->instruction->as.quantize_e4m3;
    EACH_ROW(op->columns)
    for (int64_t c0 = 0; c0 < op->columns; c0 += 128) {
        int64_t c1 = heng_min(op->columns, c0 + 128);
        const float *x = op->x + r * op->x_stride;
        float *y = op->y + r * op->y_stride;
        float largest = 1e-4f;
        for (int64_t c = c0; c < c1; c++) largest = fabsf(x[c]) > largest || x[c] != x[c] ? fabsf(x[c]) : largest;
        float scale = largest / 448.0f;
        if (op->power_of_two && isfinite(scale)) { /* an infinity or a NaN stays one, and so does the row (QUANT-043) */
            int exponent;
            float fraction = frexpf(scale, &exponent);
            scale = ldexpf(1.0f, fraction == 0.5f ? exponent - 1 : exponent);
        }
        for (int64_t c = c0; c < c1; c++) y[c] = to_e4m3(x[c] / scale) * scale;
    }
}

const heng_operation heng_op_quantize_e4m3 = {"QUANTIZE_E4M3", 1, quantize_e4m3_check, quantize_e4m3_tasks, quantize_e4m3_task, false};

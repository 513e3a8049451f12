/*
 * Heng's kernels for the host processor: the one public header of libheng_cpu.
 *
 * The caller describes a forward pass as an array of fixed-size instructions over memory that it owns, turns it into a program
 * once, and then runs the program: one call executes every instruction on a team of threads. Nothing is allocated in a run.
 *
 * Conventions
 *   Activations   row-major float32 in memory, whatever type the graph declares; an instruction whose result the graph declares
 *                 as bfloat16 or float16 rounds every element to that type (round to nearest, ties to even) and keeps the rounded
 *                 number in a float32. Products are accumulated in float32 unless a kernel says more.
 *   Weights       W[rows = N][columns = K], read where they lie, in the layout of the checkpoint; see heng_cpu_weight.
 *   Strides       of activations are in elements, of weights in bytes.
 *   Counts        that vary from run to run are heng_cpu_count: factor * sizes[symbol].
 *   Ownership     whoever allocates frees. A program borrows its instructions and all memory they point to; between runs the caller may
 *                 change pointers in them, to memory of the same shape, and nothing else.
 *   Threading     one team runs one program at a time; calls on one team must not overlap. Different teams are independent.
 *   Errors        every function returns a heng_cpu_status; the text of the calling thread's last failure is
 *                 heng_cpu_last_error(). Nothing exits, aborts or prints.
 *   Floating point  IEEE 754 defaults; subnormal numbers are kept.
 */
#ifndef HENG_CPU_H
#define HENG_CPU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HENG_CPU_API __attribute__((visibility("default")))

/* Raised whenever a declaration below changes meaning; the caller compares it with the number it was written for. */
#define HENG_CPU_ABI_VERSION 2

typedef enum heng_cpu_status {
    HENG_CPU_OK = 0,
    HENG_CPU_INVALID = 1,        /* an argument or instruction is wrong; the text says which field */
    HENG_CPU_OUT_OF_MEMORY = 2,  /* the program needs more scratch memory than the system gave */
    HENG_CPU_UNSUPPORTED = 3,    /* the forced level does not exist on this processor or in this build */
    HENG_CPU_SYSTEM = 4          /* a thread could not be made */
} heng_cpu_status;

/* Element types, of weights, scales, caches and results. */
typedef enum heng_cpu_type {
    HENG_CPU_F32 = 0,
    HENG_CPU_BF16 = 1,
    HENG_CPU_F16 = 2,
    HENG_CPU_E4M3 = 3, /* OCP 8-bit float without infinities; 0x7f and 0xff are NaN */
    HENG_CPU_E8M0 = 4, /* the value 2^(byte - 127); 0xff is NaN; scales only */
    HENG_CPU_I8 = 5,
    HENG_CPU_I4 = 6    /* codes 0..15, eight to a little-endian 32-bit word, lowest nibble first */
} heng_cpu_type;

/*
 * A matrix W[rows][columns]. What `type` says decides which other fields are read:
 *   F32, BF16, F16  none.
 *   E4M3            scales [ceil(rows / block_rows)][ceil(columns / block_columns)]; element * scale.
 *   I8              scales [rows]; element * scale.
 *   I4              scales [rows][ceil(columns / block_columns)]; (code - zero) * scale, where zero is 8, or with zero_points
 *                   nibble row % 8 of word zero_points[row / 8][group].
 * Rows are row_bytes apart; a row of I4 starts on a 32-bit word. No alignment beyond that of one element (or word) is needed;
 * 64 bytes is best. Kernels never read beyond the last byte of a row's last element (or word).
 */
typedef struct heng_cpu_weight {
    int32_t type;          /* heng_cpu_type */
    int32_t scale_type;    /* F32, BF16, F16, or E8M0 (only with E4M3) */
    int64_t rows;          /* N */
    int64_t columns;       /* K */
    int64_t row_bytes;     /* distance of rows in bytes */
    int64_t block_rows;    /* rows that share a scale; E4M3 only */
    int64_t block_columns; /* columns that share a scale; E4M3 and I4 */
    const void *data;
    const void *scales;
    const uint32_t *zero_points;
} heng_cpu_weight;

/* A number of rows: factor * sizes[symbol] of the run, or factor alone if symbol is negative. */
typedef struct heng_cpu_count {
    int64_t factor;
    int64_t symbol;
} heng_cpu_count;

typedef enum heng_cpu_opcode {
    HENG_CPU_EMBED = 1,
    HENG_CPU_RMS_NORM = 2,
    HENG_CPU_LINEAR = 3,
    HENG_CPU_GATED_LINEAR = 4,
    HENG_CPU_SWIGLU = 5,
    HENG_CPU_ADD = 6,
    HENG_CPU_COPY = 7,
    HENG_CPU_ROPE_TABLE = 8,
    HENG_CPU_ROPE = 9,
    HENG_CPU_CACHE_APPEND = 10,
    HENG_CPU_ATTENTION = 11,
    HENG_CPU_ROUTE = 12,
    HENG_CPU_GROUP = 13,
    HENG_CPU_EXPERT_LINEAR = 14,
    HENG_CPU_EXPERT_GATE_UP = 15,
    HENG_CPU_EXPERT_DOWN = 16,
    HENG_CPU_COMBINE = 17,
    HENG_CPU_ARGMAX = 18,
    HENG_CPU_GATHER = 19,
    HENG_CPU_INVERT = 20,
    HENG_CPU_QUANTIZE_E4M3 = 21,
    HENG_CPU_SAMPLE = 22
} heng_cpu_opcode;

/*
 * Instruction flags. Without OVERLAP all threads meet after the instruction; with it the next instruction may start while this
 * one is still running, so it must not read or write what this one writes.
 */
#define HENG_CPU_OVERLAP 1

/* y[r][:] = table row tokens[r]; an id outside the table fails the run. */
typedef struct heng_cpu_embed {
    const heng_cpu_weight *table;
    const int32_t *tokens;        /* [rows] */
    float *y;                     /* [rows][y_stride] */
    int64_t y_stride;
    int64_t round_to;
} heng_cpu_embed;

/*
 * y = round(x * rsqrt(mean(x^2) + epsilon) * weight), statistics and product in double. If `sum` is set, x is first replaced by
 * s = round_sum(x + addend), which is stored to `sum` (it may be x itself).
 */
typedef struct heng_cpu_rms_norm {
    const float *x;
    int64_t x_stride;
    const float *addend; /* null without a fused addition */
    int64_t addend_stride;
    float *sum;
    int64_t sum_stride;
    int64_t sum_round_to;
    const heng_cpu_weight *weight; /* one row: F32, BF16 or F16 */
    float *y;
    int64_t y_stride;
    int64_t groups; /* each row holds this many vectors of weight->columns elements, normalised apart; 1 for a plain norm */
    double epsilon;
    int64_t round_to;
} heng_cpu_rms_norm;

/*
 * y[r][n] = round(sum_k x[r][k] * W[n][k] + bias[n]); with `addend`, y = round_sum(addend + that).
 * With quantize_activations (only for I8 weights) each row of x becomes int8 first: scale = max|x| / 127 in float32,
 * q = x / scale rounded to nearest, ties to even; products are exact integers and the result is q.w * scale * weight scale.
 */
typedef struct heng_cpu_linear {
    const heng_cpu_weight *weight;
    const float *x;
    int64_t x_stride;
    const heng_cpu_weight *bias; /* one row, or null */
    const float *addend;         /* null without a fused addition */
    int64_t addend_stride;
    float *y;
    int64_t y_stride;
    int64_t round_to;
    int64_t sum_round_to;
    int64_t quantize_activations;
} heng_cpu_linear;

/* y[r][i] = round(silu(g) * u), g = round(gate x), u = round(up x): a gated MLP's first half. */
typedef struct heng_cpu_gated_linear {
    const heng_cpu_weight *gate;
    const heng_cpu_weight *up;
    const float *x;
    int64_t x_stride;
    float *y;
    int64_t y_stride;
    int64_t gate_round_to;
    int64_t round_to;
    int64_t quantize_activations;
} heng_cpu_gated_linear;

/* y[r][i] = round(silu(gate[r][i]) * up[r][i]), evaluated in double. */
typedef struct heng_cpu_swiglu {
    const float *gate;
    int64_t gate_stride;
    const float *up;
    int64_t up_stride;
    float *y;
    int64_t y_stride;
    int64_t columns;
    int64_t round_to;
} heng_cpu_swiglu;

/* y[r][i] = round(a[r][i] + b[r][i]). */
typedef struct heng_cpu_add {
    const float *a;
    int64_t a_stride;
    const float *b;
    int64_t b_stride;
    float *y;
    int64_t y_stride;
    int64_t columns;
    int64_t round_to;
} heng_cpu_add;

/* Stores x as y_type, or loads x_type, rows of `columns` elements: how values cross the border of a program, and Cast. */
typedef struct heng_cpu_copy {
    const void *x;
    int64_t x_stride; /* elements of x_type */
    int64_t x_type;   /* F32, BF16 or F16 */
    void *y;
    int64_t y_stride;
    int64_t y_type;
    int64_t columns;
    int64_t round_to; /* applied before the store */
} heng_cpu_copy;

/* table[r] = { cos(p * inverse[i]) * factor for every i, sin(...) * factor for every i } in double; p = positions[r]. */
typedef struct heng_cpu_rope_table {
    const int32_t *positions;
    const double *inverse; /* [pairs] */
    int64_t pairs;
    double factor;
    double *table; /* [rows][2 * pairs] */
} heng_cpu_rope_table;

/*
 * Rotates, for each of `heads` vectors of a row (head_stride elements apart), elements [offset, offset + 2 * pairs); the other
 * elements of the `width` wide vector are copied. Pair i is (2i, 2i + 1) if interleaved, else (i, pairs + i). Evaluated in double
 * from a table of HENG_CPU_ROPE_TABLE. y may be x.
 */
typedef struct heng_cpu_rope {
    const float *x;
    int64_t x_stride;
    int64_t x_head_stride;
    float *y;
    int64_t y_stride;
    int64_t y_head_stride;
    const double *table;
    int64_t heads;
    int64_t width;
    int64_t offset;
    int64_t pairs;
    int64_t interleaved;
    int64_t round_to;
} heng_cpu_rope;

/*
 * A paged cache: element (sequence s, position p, column c) lies at
 * data + ((page_table[s * table_stride + p / page_size] * page_size) + p % page_size) * row_stride + c elements of `type`.
 * Instructions point to it, so that one store moves them all to another buffer; every field may change between runs.
 */
typedef struct heng_cpu_cache {
    void *data;
    int64_t type; /* F32, BF16 or F16 */
    int64_t row_stride;
    const int32_t *page_table; /* [sequences][table_stride] */
    int64_t sequences;
    int64_t table_stride;
    int64_t page_size;
    int64_t pages; /* in data; a run that meets an entry outside fails */
} heng_cpu_cache;

/* cache(sequences[r], positions[r])[column_offset ..+ columns] = x[r]. A row with a negative position is skipped. */
typedef struct heng_cpu_cache_append {
    const float *x;
    int64_t x_stride;
    int64_t columns;
    int64_t column_offset;
    heng_cpu_cache *cache;
    const int32_t *sequences;
    const int32_t *positions;
} heng_cpu_cache_append;

/*
 * Attention of each row over positions 0..positions[r] of its sequence; softmax in float32, the largest score subtracted. A row with a
 * negative position becomes zeros. Rows of one sequence are best adjacent.
 *
 * Grouped-query form (latent == 0): q [rows][heads][key_width]; cached keys [kv_heads][key_width], values [kv_heads][value_width];
 * y [rows][heads][value_width]; head h reads key-value head h / (heads / kv_heads).
 *
 * Latent form (latent > 0, MLA): q [rows][heads][nope + rope]; a row of the key cache is [latent][rope]; `values` is not read. kv_b
 * [heads * (nope + value_width)][latent] holds for each head nope rows of keys, then value_width rows of values. Computed absorbed:
 * q_nope is multiplied into kv_b's key rows, scores are taken against the latent, and the weighted latent is multiplied by kv_b's
 * value rows.
 */
typedef struct heng_cpu_attention {
    const float *q;
    int64_t q_stride;
    int64_t q_head_stride;
    int64_t heads;
    int64_t kv_heads;    /* grouped-query form only */
    int64_t key_width;   /* grouped-query form only */
    int64_t value_width; /* of one head of y */
    int64_t latent;
    int64_t nope;
    int64_t rope;
    const heng_cpu_weight *kv_b;
    const heng_cpu_cache *keys;
    const heng_cpu_cache *values;
    const int32_t *sequences;
    const int32_t *positions;
    int64_t max_context; /* no row reaches position max_context; sizes the scratch */
    double scale;
    float *y; /* [rows][heads][value_width] */
    int64_t y_stride;
    int64_t round_to;
} heng_cpu_attention;

typedef enum heng_cpu_score {
    HENG_CPU_SCORE_SIGMOID = 0,
    HENG_CPU_SCORE_SOFTMAX = 1,
    HENG_CPU_SCORE_SQRT_SOFTPLUS = 2
} heng_cpu_score;

typedef enum heng_cpu_group_score {
    HENG_CPU_GROUP_TOP2_SUM = 0, /* V3 */
    HENG_CPU_GROUP_MAXIMUM = 1   /* V2 */
} heng_cpu_group_score;

/*
 * Chooses top_k of `experts` for each row of logits. Scores and sums are evaluated in double and rounded to float32 where the
 * specification stores them; ties go to the lower index; NaN compares below everything, so that every row gets valid, distinct ids.
 */
typedef struct heng_cpu_route {
    const float *logits;
    int64_t logits_stride;
    int64_t experts;
    int64_t top_k;
    int64_t score;
    const float *bias; /* [experts] or null */
    int64_t groups;
    int64_t kept_groups;
    int64_t group_score;
    int64_t masked_to_zero; /* choice score of experts in groups not kept: 0 if set (V2), else -infinity (V3) */
    int64_t normalize;      /* divide by (sum + 1e-20) */
    double scaling;
    int32_t *ids;   /* [rows][top_k], descending choice score */
    float *weights; /* [rows][top_k] */
} heng_cpu_route;

/*
 * Sorts the slots (row t, choice j) = t * top_k + j by expert, stable: origins[r] is the slot of sorted row r, places[slot] its inverse,
 * and offsets[e] .. offsets[e + 1] are the sorted rows of expert first_expert + e. Ids outside first_expert .. + experts have no
 * sorted row: their place is -1, and so are the origins past the last offset.
 */
typedef struct heng_cpu_group {
    const int32_t *ids; /* [rows][top_k] */
    int64_t top_k;
    int64_t first_expert;
    int64_t experts;
    int32_t *offsets; /* [experts + 1] */
    int32_t *origins; /* [rows * top_k] */
    int32_t *places;  /* [rows * top_k] */
} heng_cpu_group;

/*
 * y[r] = round(W[e] x[r]) for the sorted rows r of expert e. `rows` counts slots (rows of x). With `origins`, x is not sorted: sorted
 * row r reads x[origins[r] / top_k].
 */
typedef struct heng_cpu_expert_linear {
    const heng_cpu_weight *weights; /* [experts], one shape and type */
    int64_t experts;
    const int32_t *offsets; /* [experts + 1] */
    const int32_t *origins; /* null, or [rows] */
    int64_t top_k;
    const float *x;
    int64_t x_stride;
    float *y;
    int64_t y_stride;
    int64_t round_to;
    int64_t quantize_activations;
} heng_cpu_expert_linear;

/* h[r] = round(silu(g) * u), g = round(gate[e] x), u = round(up[e] x), otherwise as EXPERT_LINEAR: an expert's first half. */
typedef struct heng_cpu_expert_gate_up {
    const heng_cpu_weight *gate; /* [experts] */
    const heng_cpu_weight *up;   /* [experts] */
    int64_t experts;
    const int32_t *offsets;
    const int32_t *origins;
    int64_t top_k;
    const float *x;
    int64_t x_stride;
    float *h;
    int64_t h_stride;
    int64_t gate_round_to;
    int64_t round_to;
    int64_t quantize_activations;
} heng_cpu_expert_gate_up;

/*
 * y[t] = sum over j, in order, of weights[t][j] * round_down(down[e] h[places[t * top_k + j]]), accumulated in float32, rounded to
 * round_to; with `addend`, y = round_sum(addend + that): experts' second half and their combination. `rows` counts tokens.
 */
typedef struct heng_cpu_expert_down {
    const heng_cpu_weight *down; /* [experts] */
    int64_t first_expert;
    int64_t experts;
    const int32_t *ids; /* [rows][top_k] */
    const int32_t *offsets;
    const int32_t *places;
    int64_t top_k;
    const float *h;
    int64_t h_stride;
    const float *weights; /* [rows][top_k] */
    const float *addend;  /* null, or [rows] */
    int64_t addend_stride;
    float *y;
    int64_t y_stride;
    int64_t down_round_to;
    int64_t round_to;
    int64_t sum_round_to;
    int64_t quantize_activations;
} heng_cpu_expert_down;

/* y[t] = round(sum over j, in order, of weights[t][j] * x[places[t * top_k + j]]); a slot without a place adds nothing. */
typedef struct heng_cpu_combine {
    const float *x;
    int64_t x_stride;
    const int32_t *places;
    const float *weights;
    int64_t top_k;
    float *y;
    int64_t y_stride;
    int64_t columns;
    int64_t round_to;
} heng_cpu_combine;

/* places[origins[r]] = r; the other places are -1. Origins are -1 or 0 .. rows - 1, each at most once; anything else fails the run. */
typedef struct heng_cpu_invert {
    const int32_t *origins;
    int32_t *places;
} heng_cpu_invert;

/*
 * y = x rounded to what 128 columns of FP8 activations can hold: s = max(max|x|, 1e-4) / 448 in float32, to the next power of two with
 * power_of_two, y = e4m3(x / s) * s. Source: DeepSeek-V3, inference/kernel.py, act_quant.
 */
typedef struct heng_cpu_quantize_e4m3 {
    const float *x;
    int64_t x_stride;
    float *y;
    int64_t y_stride;
    int64_t columns;
    int64_t power_of_two;
} heng_cpu_quantize_e4m3;

/* ids[r] = the index of the largest of x[r][0 .. columns), the lowest on ties; NaN is never chosen unless all are NaN (then 0). */
typedef struct heng_cpu_argmax {
    const float *x;
    int64_t x_stride;
    int64_t columns;
    int32_t *ids;
} heng_cpu_argmax;

/*
 * ids[r] = a sample from the softmax of x[r] / temperature[r] over the top_k[r] largest (0: all), then the least number of those whose
 * probabilities reach top_p[r], by the Gumbel maximum: with z = (x - max x) / temperature, the candidate i with the largest
 * z[i] - log(-log u), where u = (w + 1/2) / 2^32 and w is word i % 4 of Philox4x32-10 with counter (i / 4, counter[r], 0, 0) and key
 * seed[r]. Evaluated in double; ties go to the lower index. Temperature 0, or a largest element that is not finite, is ARGMAX.
 * A temperature that is not finite and >= 0, a negative top_k or a top_p outside 0..1 fails the run.
 */
typedef struct heng_cpu_sample {
    const float *x;
    int64_t x_stride;
    int64_t columns;
    const float *temperature;
    const int32_t *top_k;
    const float *top_p;
    const int64_t *seed;
    const int32_t *counter;
    int32_t *ids;
} heng_cpu_sample;

/*
 * y[r] = x[rows_of[r] / divisor], rows of `columns` float32. A negative index leaves the row alone if skip_negative; any other index
 * outside x_rows fails the run.
 */
typedef struct heng_cpu_gather {
    const float *x;
    int64_t x_stride;
    heng_cpu_count x_rows;
    const int32_t *rows_of;
    int64_t divisor;
    int64_t skip_negative;
    float *y;
    int64_t y_stride;
    int64_t columns;
} heng_cpu_gather;

typedef struct heng_cpu_instruction {
    int32_t opcode; /* heng_cpu_opcode */
    int32_t flags;
    heng_cpu_count rows;
    union {
        heng_cpu_embed embed;
        heng_cpu_rms_norm rms_norm;
        heng_cpu_linear linear;
        heng_cpu_gated_linear gated_linear;
        heng_cpu_swiglu swiglu;
        heng_cpu_add add;
        heng_cpu_copy copy;
        heng_cpu_rope_table rope_table;
        heng_cpu_rope rope;
        heng_cpu_cache_append cache_append;
        heng_cpu_attention attention;
        heng_cpu_route route;
        heng_cpu_group group;
        heng_cpu_expert_linear expert_linear;
        heng_cpu_expert_gate_up expert_gate_up;
        heng_cpu_expert_down expert_down;
        heng_cpu_argmax argmax;
        heng_cpu_gather gather;
        heng_cpu_sample sample;
        heng_cpu_combine combine;
        heng_cpu_invert invert;
        heng_cpu_quantize_e4m3 quantize_e4m3;
        int64_t words[29];
    } as;
} heng_cpu_instruction;

typedef struct heng_cpu_team heng_cpu_team;
typedef struct heng_cpu_program heng_cpu_program;

/* Returns HENG_CPU_ABI_VERSION of the library. */
HENG_CPU_API int32_t heng_cpu_abi_version(void);

/*
 * Returns, one to a line, "sizeof NAME BYTES" and "NAME.FIELD OFFSET BYTES" for every structure above (NAME without heng_cpu_;
 * an operation's fields are relative to the instruction), and "const NAME VALUE" for every constant. Static; never freed.
 */
HENG_CPU_API const char *heng_cpu_layout(void);

/*
 * Returns, separated by blanks, the levels that this build holds and this processor runs, the best last, for example
 * "scalar avx2 avx512 avx512-vnni". Static; never freed.
 */
HENG_CPU_API const char *heng_cpu_levels(void);

/* Returns the processor's features that matter here, separated by blanks, and those the system disabled. Static; never freed. */
HENG_CPU_API const char *heng_cpu_features(void);

/* Returns the text of the calling thread's last failure, "" if none. Valid until the thread's next call. */
HENG_CPU_API const char *heng_cpu_last_error(void);

/*
 * Makes a team of `threads` threads, the caller of heng_cpu_run being the first of them. With `pin` the others are bound to one
 * processor each of those the process may use (the caller is bound for the length of each run if pin is 2). `level` names a level
 * of heng_cpu_levels(), or is null or "" for the best; HENG_CPU_LEVEL in the environment overrides null.
 */
HENG_CPU_API int32_t heng_cpu_team_create(int32_t threads, int32_t pin, const char *level, heng_cpu_team **team);

/* Ends the threads and frees the team. Null is allowed. Its programs must have been freed. */
HENG_CPU_API void heng_cpu_team_free(heng_cpu_team *team);

/* Returns the name of the level that the team runs. */
HENG_CPU_API const char *heng_cpu_team_level(const heng_cpu_team *team);

/* Returns 1 if that level takes subnormal floats for zero in products (of many rows, on matrix tiles), else 0. */
HENG_CPU_API int32_t heng_cpu_team_flushes_subnormals(const heng_cpu_team *team);

/*
 * Checks `count` instructions and readies them for runs in which sizes[i] <= max_sizes[i]. The error text names the instruction's
 * index, operation and field.
 */
HENG_CPU_API int32_t heng_cpu_program_create(heng_cpu_team *team, const heng_cpu_instruction *instructions, int64_t count,
    const int64_t *max_sizes, int64_t symbols, heng_cpu_program **program);

/* Frees a program. Null is allowed. */
HENG_CPU_API void heng_cpu_program_free(heng_cpu_program *program);

/* Returns the bytes of scratch memory that a program holds. */
HENG_CPU_API int64_t heng_cpu_program_scratch(const heng_cpu_program *program);

/*
 * Runs instructions [first, last) with sizes[0 .. symbols). Returns when all are done. Nothing is allocated.
 * A token, row, page, sequence or position outside its bounds is HENG_CPU_INVALID with a text that names it; results are then undefined.
 */
HENG_CPU_API int32_t heng_cpu_run(heng_cpu_program *program, int64_t first, int64_t last, const int64_t *sizes);

/* Sets where runs add the seconds of each instruction, [count], or stops that (null). Timing takes some of the time it measures. */
HENG_CPU_API void heng_cpu_program_profile(heng_cpu_program *program, double *seconds);

/*
 * Reads `bytes` of memory with all threads of the team, each its own part, as fast as the level's plain loads allow, and stores
 * the seconds that took: the ceiling of every memory-bound kernel.
 */
HENG_CPU_API int32_t heng_cpu_measure_read(heng_cpu_team *team, const void *data, int64_t bytes, double *seconds);

/* Runs `rounds` rounds of independent fused multiply-adds on all threads and stores the rate in floating-point operations/s. */
HENG_CPU_API int32_t heng_cpu_measure_fma(heng_cpu_team *team, int64_t rounds, double *flops);

/* Copies `bytes` of memory with all threads and stores the seconds that took. */
HENG_CPU_API int32_t heng_cpu_measure_copy(heng_cpu_team *team, const void *from, void *to, int64_t bytes, double *seconds);

/* Kinds of dot-product instruction: int8 factors with int32 sums, bfloat16 factors with float sums. */
#define HENG_CPU_DOT_INT8 1
#define HENG_CPU_DOT_BF16 2

/* Returns the instruction of this kind that the team's level multiplies with, "" if it has none. */
HENG_CPU_API const char *heng_cpu_dot_instruction(const heng_cpu_team *team, int32_t kind);

/*
 * Runs `rounds` rounds of independent dot products with that instruction on all threads and stores the rate in operations/s, a multiply-add
 * being two. HENG_CPU_UNSUPPORTED where the level has none.
 */
HENG_CPU_API int32_t heng_cpu_measure_dot(heng_cpu_team *team, int32_t kind, int64_t rounds, double *rate);

/*
 * Returns zeroed memory aligned to 2 MiB with huge pages asked for, null if there is none. For weights that are copied rather than
 * mapped, and for caches.
 */
HENG_CPU_API void *heng_cpu_memory_allocate(int64_t bytes);
HENG_CPU_API void heng_cpu_memory_free(void *memory, int64_t bytes);

#ifdef __cplusplus
}
#endif

#endif

/* What operations are to a program. */
#ifndef HENG_CPU_PROGRAM_H
#define HENG_CPU_PROGRAM_H

#include "team.h"

#define HENG_OPCODES 32
#define HENG_PHASES 4

/* One thread's view of the instruction that is being run. */
typedef struct heng_context {
    heng_cpu_program *program;
    const heng_level *level;
    int32_t threads;
    int32_t thread;
    const int64_t *sizes;
    const int64_t *max_sizes;
    int64_t index;
    const heng_cpu_instruction *instruction;
    int64_t rows;
    char *shared;  /* of the instruction, all threads */
    char *scratch; /* of this thread; kept from task to task within a phase */
    int64_t phase_data[4]; /* set by tasks(), for task() of the same phase and thread */
} heng_context;

/* What an instruction needs, and what is wrong with it. */
typedef struct heng_needs {
    const heng_level *level;
    int32_t threads;
    int64_t rows; /* at most */
    int64_t shared_bytes;
    int64_t private_bytes;
    const char *wrong; /* null if nothing */
    char text[160];    /* where `wrong` may be built */
} heng_needs;

typedef struct heng_operation {
    const char *name;
    int phases;
    void (*check)(const heng_cpu_instruction *instruction, heng_needs *needs);
    int64_t (*tasks)(heng_context *context, int phase);
    void (*task)(heng_context *context, int phase, int64_t task);
    bool without_rows; /* has something to do when there are no rows */
} heng_operation;

extern const heng_operation heng_op_embed, heng_op_rms_norm, heng_op_linear, heng_op_gated_linear, heng_op_swiglu, heng_op_add,
    heng_op_copy, heng_op_rope_table, heng_op_rope, heng_op_cache_append, heng_op_attention, heng_op_route, heng_op_group,
    heng_op_expert_linear, heng_op_expert_gate_up, heng_op_expert_down, heng_op_combine, heng_op_argmax, heng_op_gather,
    heng_op_invert, heng_op_quantize_e4m3, heng_op_sample;

/* Records the first failure of a run; the format takes two long longs. */
void heng_task_fail(heng_context *context, const char *format, int64_t a, int64_t b);

static inline int64_t heng_count_of(const heng_cpu_count *count, const int64_t *sizes) {
    return count->symbol < 0 ? count->factor : count->factor * sizes[count->symbol];
}

/* Describes what is wrong with a weight in needs->wrong, or leaves it null. */
void heng_check_weight(heng_needs *needs, const char *field, const heng_cpu_weight *weight);
/* The same for a weight of one plain row of `columns` elements. */
void heng_check_vector(heng_needs *needs, const char *field, const heng_cpu_weight *weight, int64_t columns);
void heng_check_pointer(heng_needs *needs, const char *field, const void *pointer);
void heng_check_type(heng_needs *needs, const char *field, int64_t type);
void heng_check_that(heng_needs *needs, bool holds, const char *message);

#endif

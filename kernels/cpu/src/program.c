/*
 * Programs: checking instructions once, and walking through them with a team.
 *
 * An instruction is one to four phases; a phase is a number of independent tasks that threads claim from a counter; after a phase the
 * threads meet. Which thread does a task changes no result: every output element is computed by one task, whose shape depends on sizes
 * and on the number of threads only where that does not touch the order of a sum.
 */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const heng_operation *heng_operations[HENG_OPCODES] = {
    [HENG_CPU_EMBED] = &heng_op_embed,
    [HENG_CPU_RMS_NORM] = &heng_op_rms_norm,
    [HENG_CPU_LINEAR] = &heng_op_linear,
    [HENG_CPU_GATED_LINEAR] = &heng_op_gated_linear,
    [HENG_CPU_SWIGLU] = &heng_op_swiglu,
    [HENG_CPU_ADD] = &heng_op_add,
    [HENG_CPU_COPY] = &heng_op_copy,
    [HENG_CPU_ROPE_TABLE] = &heng_op_rope_table,
    [HENG_CPU_ROPE] = &heng_op_rope,
    [HENG_CPU_CACHE_APPEND] = &heng_op_cache_append,
    [HENG_CPU_ATTENTION] = &heng_op_attention,
    [HENG_CPU_ROUTE] = &heng_op_route,
    [HENG_CPU_GROUP] = &heng_op_group,
    [HENG_CPU_EXPERT_LINEAR] = &heng_op_expert_linear,
    [HENG_CPU_EXPERT_GATE_UP] = &heng_op_expert_gate_up,
    [HENG_CPU_EXPERT_DOWN] = &heng_op_expert_down,
    [HENG_CPU_COMBINE] = &heng_op_combine,
    [HENG_CPU_ARGMAX] = &heng_op_argmax,
    [HENG_CPU_GATHER] = &heng_op_gather,
    [HENG_CPU_INVERT] = &heng_op_invert,
    [HENG_CPU_QUANTIZE_E4M3] = &heng_op_quantize_e4m3,
    [HENG_CPU_SAMPLE] = &heng_op_sample,
};

typedef struct counter {
    _Alignas(64) atomic_long next;
} counter;

struct heng_cpu_program {
    heng_cpu_team *team;
    const heng_cpu_instruction *instructions;
    int64_t count;
    int64_t symbols;
    int64_t *max_sizes;
    int64_t *shared_offset; /* of each instruction, in bytes */
    char *shared;
    int64_t shared_bytes;
    char *private;
    int64_t private_bytes; /* of each thread */
    counter *counters;     /* [count][HENG_PHASES] */
    double *seconds;
    /* The run in progress. */
    const int64_t *sizes;
    int64_t first;
    int64_t last;
    atomic_long failure; /* 1 + the index of the instruction that failed first; 0 for none */
    atomic_int failure_claimed;
    char failure_text[256];
};

static double seconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void heng_task_fail(heng_context *context, const char *format, int64_t a, int64_t b) {
    heng_cpu_program *program = context->program;
    if (atomic_exchange(&program->failure_claimed, 1) != 0) return;
    snprintf(program->failure_text, sizeof program->failure_text, format, (long long)a, (long long)b);
    atomic_store(&program->failure, 1 + context->index);
}

/*
 * Claims a run of tasks, many at first and one at the end: neighbours read memory that lies together, and the threads finish together.
 * Returns false if there are none left.
 */
static bool claim(atomic_long *next, int64_t tasks, int32_t threads, int64_t *first, int64_t *end) {
    long from = atomic_load_explicit(next, memory_order_relaxed);
    for (;;) {
        if (from >= tasks) return false;
        const int64_t some = threads == 1 ? tasks - from : heng_max(1, (tasks - from) / (2 * (int64_t)threads));
        if (atomic_compare_exchange_weak_explicit(next, &from, (long)(from + some), memory_order_relaxed, memory_order_relaxed)) {
            *first = from;
            *end = from + some;
            return true;
        }
    }
}

static void walk(void *argument, int32_t thread) {
    heng_cpu_program *program = argument;
    heng_context context = {
        .program = program,
        .level = heng_team_level(program->team),
        .threads = heng_team_threads(program->team),
        .thread = thread,
        .sizes = program->sizes,
        .max_sizes = program->max_sizes,
        .scratch = program->private + program->private_bytes * thread,
    };
    for (int64_t i = program->first; i < program->last; i++) {
        const heng_cpu_instruction *instruction = &program->instructions[i];
        const heng_operation *operation = heng_operations[instruction->opcode];
        double start = program->seconds != NULL && thread == 0 ? seconds_now() : 0;
        context.index = i;
        context.instruction = instruction;
        context.rows = heng_count_of(&instruction->rows, program->sizes);
        context.shared = program->shared + program->shared_offset[i];
        for (int phase = 0; phase < operation->phases; phase++) {
            int64_t tasks = context.rows == 0 && !operation->without_rows ? 0 : operation->tasks(&context, phase);
            if (tasks == 0) continue;
            atomic_long *next = &program->counters[i * HENG_PHASES + phase].next;
            int64_t task, end;
            while (claim(next, tasks, context.threads, &task, &end))
                for (; task < end; task++) operation->task(&context, phase, task);
            /* Between the phases of one instruction, and after it unless the next does not care. */
            if (phase + 1 < operation->phases || (instruction->flags & HENG_CPU_OVERLAP) == 0) {
                if (heng_team_meet(program->team)) return;
            }
        }
        if (program->seconds != NULL && thread == 0) program->seconds[i] += seconds_now() - start;
    }
}

int32_t heng_cpu_run(heng_cpu_program *program, int64_t first, int64_t last, const int64_t *sizes) {
    if (first < 0 || last > program->count || first > last)
        return heng_fail(HENG_CPU_INVALID, "instructions %lld to %lld of a program of %lld", (long long)first, (long long)last,
            (long long)program->count);
    for (int64_t s = 0; s < program->symbols; s++)
        if (sizes[s] < 0 || sizes[s] > program->max_sizes[s])
            return heng_fail(HENG_CPU_INVALID, "size %lld of symbol %lld is not within 0..%lld", (long long)sizes[s], (long long)s,
                (long long)program->max_sizes[s]);
    program->sizes = sizes;
    program->first = first;
    program->last = last;
    for (int64_t i = first * HENG_PHASES; i < last * HENG_PHASES; i++)
        atomic_store_explicit(&program->counters[i].next, 0, memory_order_relaxed);
    atomic_store(&program->failure, 0);
    atomic_store(&program->failure_claimed, 0);
    heng_team_run(program->team, walk, program, &program->failure);
    int64_t failure = atomic_load(&program->failure);
    if (failure != 0)
        return heng_fail(HENG_CPU_INVALID, "instruction %lld (%s): %s", (long long)(failure - 1),
            heng_operations[program->instructions[failure - 1].opcode]->name, program->failure_text);
    return HENG_CPU_OK;
}

void heng_cpu_program_free(heng_cpu_program *program) {
    if (program == NULL) return;
    heng_cpu_memory_free(program->shared, program->shared_bytes);
    heng_cpu_memory_free(program->private, program->private_bytes * heng_team_threads(program->team));
    free(program->max_sizes);
    free(program->shared_offset);
    free(program->counters);
    free(program);
}

int64_t heng_cpu_program_scratch(const heng_cpu_program *program) {
    return program->shared_bytes + program->private_bytes * heng_team_threads(program->team);
}

void heng_cpu_program_profile(heng_cpu_program *program, double *seconds) { program->seconds = seconds; }

static int32_t check(heng_cpu_program *program, heng_needs *needs, int64_t i) {
    const heng_cpu_instruction *instruction = &program->instructions[i];
    if (instruction->opcode <= 0 || instruction->opcode >= HENG_OPCODES || heng_operations[instruction->opcode] == NULL)
        return heng_fail(HENG_CPU_INVALID, "instruction %lld: no operation has opcode %d", (long long)i, instruction->opcode);
    const heng_operation *operation = heng_operations[instruction->opcode];
    if (instruction->rows.symbol >= program->symbols || instruction->rows.factor < 0)
        return heng_fail(HENG_CPU_INVALID, "instruction %lld (%s): rows are %lld times symbol %lld of %lld", (long long)i,
            operation->name, (long long)instruction->rows.factor, (long long)instruction->rows.symbol, (long long)program->symbols);
    *needs = (heng_needs){
        .level = heng_team_level(program->team),
        .threads = heng_team_threads(program->team),
        .rows = heng_count_of(&instruction->rows, program->max_sizes),
    };
    operation->check(instruction, needs);
    if (needs->wrong != NULL)
        return heng_fail(HENG_CPU_INVALID, "instruction %lld (%s): %s", (long long)i, operation->name, needs->wrong);
    return HENG_CPU_OK;
}

int32_t heng_cpu_program_create(heng_cpu_team *team, const heng_cpu_instruction *instructions, int64_t count,
    const int64_t *max_sizes, int64_t symbols, heng_cpu_program **result) {
    *result = NULL;
    if (team == NULL || count < 0 || symbols < 0 || (count > 0 && instructions == NULL) || (symbols > 0 && max_sizes == NULL))
        return heng_fail(HENG_CPU_INVALID, "a program needs a team, instructions and the largest sizes");
    heng_cpu_program *program = calloc(1, sizeof *program);
    if (program == NULL) return heng_fail(HENG_CPU_OUT_OF_MEMORY, "no memory for a program");
    program->team = team;
    program->instructions = instructions;
    program->count = count;
    program->symbols = symbols;
    program->max_sizes = calloc((size_t)symbols + 1, sizeof(int64_t));
    program->shared_offset = calloc((size_t)count + 1, sizeof(int64_t));
    void *counters = NULL;
    int failed = posix_memalign(&counters, 64, ((size_t)count * HENG_PHASES + 1) * sizeof(counter));
    program->counters = failed ? NULL : counters;
    if (program->max_sizes == NULL || program->shared_offset == NULL || program->counters == NULL) {
        heng_cpu_program_free(program);
        return heng_fail(HENG_CPU_OUT_OF_MEMORY, "no memory for a program of %lld instructions", (long long)count);
    }
    if (symbols > 0) memcpy(program->max_sizes, max_sizes, (size_t)symbols * sizeof(int64_t));
    int64_t shared_next = 0;
    for (int64_t i = 0; i < count; i++) {
        heng_needs needs;
        int32_t status = check(program, &needs, i);
        if (status != HENG_CPU_OK) {
            heng_cpu_program_free(program);
            return status;
        }
        /* Instructions that overlap need memory of their own; one after a meeting may reuse everything. */
        if (i == 0 || (instructions[i - 1].flags & HENG_CPU_OVERLAP) == 0) shared_next = 0;
        program->shared_offset[i] = shared_next;
        shared_next += heng_round_up(needs.shared_bytes, 64);
        program->shared_bytes = heng_max(program->shared_bytes, shared_next);
        program->private_bytes = heng_max(program->private_bytes, heng_round_up(needs.private_bytes, 4096));
    }
    program->shared_bytes = heng_max(program->shared_bytes, 64);
    program->private_bytes = heng_max(program->private_bytes, 4096);
    program->shared = heng_cpu_memory_allocate(program->shared_bytes);
    program->private = heng_cpu_memory_allocate(program->private_bytes * heng_team_threads(team));
    if (program->shared == NULL || program->private == NULL) {
        int64_t wanted = heng_cpu_program_scratch(program);
        heng_cpu_program_free(program);
        return heng_fail(HENG_CPU_OUT_OF_MEMORY, "no memory for %lld bytes of scratch", (long long)wanted);
    }
    *result = program;
    return HENG_CPU_OK;
}

/* How the simulator's operators are written: a first phase that checks and records, a second that queues, a function that computes. */
#ifndef HENG_SIM_OP_H
#define HENG_SIM_OP_H

#include "aclnn/aclnn_base.h"
#include "sim.h"

#define MAX_RANK 8
#define MAX_OPERANDS 16

/* A tensor's view with its data's address: what an operator may touch. Strides and offset are in elements. */
typedef struct {
    aclDataType dtype;
    aclFormat format;
    int rank;
    int64_t dims[MAX_RANK], strides[MAX_RANK];
    int64_t offset, storage;
    bool dense; /* row-major without gaps */
    char *data;
} sim_view;

struct aclTensor {
    unsigned magic;
    sim_view view;
    bool in_list;
};

struct aclIntArray {
    unsigned magic;
    uint64_t size;
    int64_t *values;
};

struct aclScalar {
    unsigned magic;
    double value;
    aclDataType dtype;
};

struct aclTensorList {
    unsigned magic;
    uint64_t size;
    aclTensor **tensors;
};

typedef struct {
    const char *name;
    const aclTensor *tensor; /* null for an absent optional */
    bool output;
    sim_view view;           /* as it is when the second phase runs */
} sim_operand;

/* A host array that several copies of a call share. */
typedef struct sim_ints {
    int owners, size;
    int64_t values[];
} sim_ints;

typedef struct sim_call {
    const char *name;
    int (*run)(struct sim_call *call);
    sim_operand operands[MAX_OPERANDS];
    int count;
    int64_t integers[16];
    struct sim_ints *lists[2]; /* host arrays, copied and counted */
    double reals[4];
    int strides;      /* which views the operator reads as they lie */
    int more_kernels; /* beyond one and the copies of strided operands */
    int error;
    char *failure; /* where run may say what went wrong; 512 bytes */
    void *workspace;
    uint64_t workspace_bytes;
} sim_call;

enum {
    F32 = 1, F16 = 2, BF16 = 4, I8 = 8, I32 = 16, I64 = 32, I4 = 64,
    FLOATS = F32 | F16 | BF16, INDICES = I32 | I64, ANY = 63
};

/* For sim_call.strides: dense views only, also those with the last two dimensions exchanged, or any. */
enum { DENSE = 0, TRANSPOSED, ANY_STRIDES };

/* ---- first phase ---- */

/* Begins a call; name is the operator's. Returns null after sim_fail if a result pointer is null or the runtime is not ready. */
sim_call *sim_begin(const char *name, int (*run)(sim_call *), uint64_t *workspaceSize, aclOpExecutor **executor);
void sim_input(sim_call *call, const char *name, const aclTensor *tensor, int types);
void sim_output(sim_call *call, const char *name, const aclTensor *tensor, int types);
void sim_optional(sim_call *call, const char *name, const aclTensor *tensor, int types, bool output);
/* A list that must hold exactly one tensor. */
void sim_single(sim_call *call, const char *name, const aclTensorList *list, int types, bool output);
/* The same where the list may be absent. */
void sim_single_optional(sim_call *call, const char *name, const aclTensorList *list, int types);
/* Copies a host array into list 0 or 1; an absent one is empty. */
void sim_list(sim_call *call, const char *name, const aclIntArray *array, int list);
/* A C++ bool that is neither 0 nor 1 is what a careless foreign call gives (-1 for true). */
void sim_bool(sim_call *call, const char *name, bool value);
/* What the simulator does not simulate is refused, never ignored. */
void sim_absent(sim_call *call, const char *name, const void *argument);
void sim_require(sim_call *call, bool holds, const char *source, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Ends the first phase: an executor, or the first error. */
aclnnStatus sim_finish(sim_call *call, uint64_t *workspaceSize, aclOpExecutor **executor);

const sim_view *sim_at(const sim_call *call, int operand); /* null if absent */
int64_t sim_elements(const sim_view *view);
bool sim_same_dims(const sim_view *a, const sim_view *b);
/* Whether the operator's document names the simulated chip as supported; if not, says so and returns false. */
bool sim_platform_has(const char *operator_name);
bool sim_is_310p(void);
bool sim_is_950(void);

/* ---- second phase ---- */

aclnnStatus sim_launch(const char *name, void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream);

#define SIM_SECOND_PHASE(name)                                                                                                        \
    SIM_API aclnnStatus name(void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream) {                   \
        return sim_launch(#name, workspace, workspaceSize, executor, stream);                                                          \
    }

/* ---- arithmetic: everything is computed in double and rounded once to the type of the result ---- */

/* All elements in row-major order of the view; free the result. */
double *sim_load(const sim_view *view);
void sim_store(const sim_view *view, const double *values);
/* Rounds a number to a data type, as storing it would. */
double sim_rounded(aclDataType type, double value);
double sim_get(const sim_view *view, int64_t index);
void sim_put(const sim_view *view, int64_t index, double value);
/* Copies the bits of one element; both views have one type. */
void sim_move(const sim_view *to, int64_t to_index, const sim_view *from, int64_t from_index);

#endif

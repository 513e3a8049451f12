/*
 * The two phases of an operator. Source: hicann/opbase@aa3cd74b7f6d src/nnopbase/common/api/acl_op_api.cpp and
 * composite_op/aclnn_engine/op_executor.cpp: the second phase consumes the executor, also when it fails, unless it was made repeatable at once.
 */
#include "op.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXECUTOR 0xE7EC0704u
#define SOURCE "op_executor.cpp"

bool sim_tensor_lives(const aclTensor *tensor);
bool sim_list_lives(const aclTensorList *list);
bool sim_array_lives(const aclIntArray *array);

struct aclOpExecutor {
    unsigned magic;
    sim_call call;
    pthread_t thread;
    sim_context *context;
    bool repeatable, used;
};

static long live;

SIM_API long heng_sim_live_executors(void) {
    pthread_mutex_lock(&sim_lock);
    long value = live;
    pthread_mutex_unlock(&sim_lock);
    return value;
}

static void count(int change) {
    pthread_mutex_lock(&sim_lock);
    live += change;
    pthread_mutex_unlock(&sim_lock);
}

bool sim_is_310p(void) {
    return !strcmp(sim_configuration()->soc, "310p");
}

bool sim_is_950(void) {
    return !strcmp(sim_configuration()->soc, "950");
}

int64_t sim_elements(const sim_view *view) {
    int64_t product = 1;
    for (int i = 0; i < view->rank; i++) product *= view->dims[i];
    return product;
}

bool sim_same_dims(const sim_view *a, const sim_view *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

const sim_view *sim_at(const sim_call *call, int operand) {
    return operand < call->count && call->operands[operand].tensor ? &call->operands[operand].view : 0;
}

sim_call *sim_begin(const char *name, int (*run)(sim_call *), uint64_t *workspaceSize, aclOpExecutor **executor) {
    sim_called();
    if (!sim_platform_has(name)) return 0;
    if (!workspaceSize || !executor) {
        sim_fail(ACLNN_ERR_PARAM_NULLPTR, "no null pointers", SOURCE, "%sGetWorkspaceSize with a null result", name);
        return 0;
    }
    sim_context *context = sim_current(name);
    if (!context) return 0;
    aclOpExecutor *made = calloc(1, sizeof *made);
    made->magic = EXECUTOR;
    made->thread = pthread_self();
    made->context = context;
    made->call.name = name;
    made->call.run = run;
    count(1);
    return &made->call;
}

static aclOpExecutor *executor_of(sim_call *call) {
    return (aclOpExecutor *)((char *)call - offsetof(aclOpExecutor, call));
}

static int bit(aclDataType type) {
    switch (type) {
        case ACL_FLOAT: return F32;
        case ACL_FLOAT16: return F16;
        case ACL_BF16: return BF16;
        case ACL_INT8: return I8;
        case ACL_INT32: return I32;
        case ACL_INT64: return I64;
        case ACL_INT4: return I4;
        default: return 0;
    }
}

static void reject(sim_call *call, int code, const char *source, const char *what) {
    if (!call->error) call->error = sim_fail(code, "an operator's arguments are those of its document", source, "%s: %s", call->name, what);
}

static void add(sim_call *call, const char *name, const aclTensor *tensor, int types, bool output) {
    char what[256];
    sim_operand *operand = &call->operands[call->count++];
    operand->name = name;
    operand->output = output;
    if (!tensor) return;
    if (!sim_tensor_lives(tensor)) {
        snprintf(what, sizeof what, "%s is no live tensor", name);
        reject(call, ACLNN_ERR_PARAM_INVALID, SOURCE, what);
        return;
    }
    operand->tensor = tensor;
    operand->view = tensor->view;
    int have = bit(tensor->view.dtype);
    if (sim_is_310p() && have == BF16) {
        snprintf(what, sizeof what, "%s is BFLOAT16, which 310P does not have", name);
        reject(call, ACLNN_ERR_PARAM_INVALID, "the operator's document, Atlas inference series", what);
    } else if (!(have & types)) {
        snprintf(what, sizeof what, "%s has data type %d", name, (int)tensor->view.dtype);
        reject(call, ACLNN_ERR_PARAM_INVALID, "the operator's document, table of data types", what);
    }
    if (tensor->view.format != ACL_FORMAT_ND) {
        snprintf(what, sizeof what, "%s has format %d instead of ND", name, (int)tensor->view.format);
        reject(call, ACLNN_ERR_PARAM_INVALID, "the operator's document, table of formats", what);
    }
}

static void required(sim_call *call, const char *name, const void *argument) {
    char what[128];
    snprintf(what, sizeof what, "%s is null", name);
    if (!argument) reject(call, ACLNN_ERR_PARAM_NULLPTR, "the operator's document", what);
}

void sim_input(sim_call *call, const char *name, const aclTensor *tensor, int types) {
    if (!call) return;
    required(call, name, tensor);
    add(call, name, tensor, types, false);
}

void sim_output(sim_call *call, const char *name, const aclTensor *tensor, int types) {
    if (!call) return;
    required(call, name, tensor);
    add(call, name, tensor, types, true);
}

void sim_optional(sim_call *call, const char *name, const aclTensor *tensor, int types, bool output) {
    if (call) add(call, name, tensor, types, output);
}

void sim_single(sim_call *call, const char *name, const aclTensorList *list, int types, bool output) {
    if (!call) return;
    required(call, name, list);
    bool one = sim_list_lives(list) && list->size == 1;
    if (list && !one) reject(call, ACLNN_ERR_PARAM_INVALID, "the simulator", "lists of one tensor are simulated");
    add(call, name, one ? list->tensors[0] : 0, types, output);
}

void sim_single_optional(sim_call *call, const char *name, const aclTensorList *list, int types) {
    if (!call) return;
    if (list) sim_single(call, name, list, types, false);
    else add(call, name, 0, types, false);
}

void sim_list(sim_call *call, const char *name, const aclIntArray *array, int list) {
    char what[128];
    if (!call) return;
    free(call->lists[list]);
    call->lists[list] = 0;
    if (!array) return;
    if (!sim_array_lives(array)) {
        snprintf(what, sizeof what, "%s is no live array", name);
        reject(call, ACLNN_ERR_PARAM_INVALID, SOURCE, what);
        return;
    }
    sim_ints *copy = malloc(sizeof *copy + 8 * array->size);
    copy->owners = 1;
    copy->size = (int)array->size;
    memcpy(copy->values, array->values, 8 * array->size);
    call->lists[list] = copy;
}

static void keep_lists(sim_call *call) {
    for (int i = 0; i < 2; i++)
        if (call->lists[i]) __atomic_fetch_add(&call->lists[i]->owners, 1, __ATOMIC_RELAXED);
}

static void drop_lists(sim_call *call) {
    for (int i = 0; i < 2; i++) {
        if (call->lists[i] && __atomic_fetch_sub(&call->lists[i]->owners, 1, __ATOMIC_ACQ_REL) == 1) free(call->lists[i]);
        call->lists[i] = 0;
    }
}

void sim_bool(sim_call *call, const char *name, bool value) {
    unsigned char bits;
    memcpy(&bits, &value, 1);
    sim_require(call, bits <= 1, "C++: a bool is 0 or 1", "%s is 0x%02x", name, bits);
}

void sim_absent(sim_call *call, const char *name, const void *argument) {
    char what[128];
    snprintf(what, sizeof what, "%s is not simulated", name);
    if (call && argument) reject(call, ACLNN_ERR_PARAM_INVALID, "the simulator", what);
}

void sim_require(sim_call *call, bool holds, const char *source, const char *format, ...) {
    if (!call || holds || call->error) return;
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    reject(call, ACLNN_ERR_PARAM_INVALID, source, what);
}

aclnnStatus sim_finish(sim_call *call, uint64_t *workspaceSize, aclOpExecutor **executor) {
    if (!call) return ACLNN_ERR_PARAM_NULLPTR;
    aclOpExecutor *mine = executor_of(call);
    if (call->error) {
        int error = call->error;
        mine->magic = 0;
        drop_lists(&mine->call);
        free(mine);
        count(-1);
        return error;
    }
    /* Never nought, and never a round number: whoever gives a workspace of its own choice is found. */
    call->workspace_bytes = 4096 + 32 * (uint64_t)(call->count + 1);
    *workspaceSize = call->workspace_bytes;
    *executor = mine;
    return 0;
}

static bool lives(const aclOpExecutor *executor) {
    return executor && executor->magic == EXECUTOR;
}

static void bury(aclOpExecutor *executor) {
    executor->magic = 0;
    drop_lists(&executor->call);
    count(-1);
    sim_retire(executor);
}

SIM_API aclnnStatus aclSetAclOpExecutorRepeatable(aclOpExecutor *executor) {
    sim_called();
    if (!lives(executor)) return sim_fail(ACLNN_ERR_PARAM_INVALID, "an executor lives", SOURCE, "aclSetAclOpExecutorRepeatable of a consumed executor");
    if (executor->used)
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "repeatable is said before the first second phase", SOURCE, "aclSetAclOpExecutorRepeatable after use");
    executor->repeatable = true;
    return 0;
}

SIM_API aclnnStatus aclDestroyAclOpExecutor(aclOpExecutor *executor) {
    sim_called();
    if (!lives(executor)) return sim_fail(ACLNN_ERR_PARAM_INVALID, "an executor is destroyed once", SOURCE, "aclDestroyAclOpExecutor of a consumed executor");
    bury(executor);
    return 0;
}

static aclnnStatus set_address(aclOpExecutor *executor, size_t index, const aclTensor *tensor, void *addr, int kind) {
    if (!lives(executor) || !executor->repeatable)
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "addresses are refreshed in repeatable executors", SOURCE, "a tensor's address was set in another executor");
    if (!sim_tensor_lives(tensor)) return sim_fail(ACLNN_ERR_PARAM_INVALID, "an absent tensor has no address", SOURCE, "a null or dead tensor's address was set");
    if ((uintptr_t)addr & 31) return sim_fail(ACLNN_ERR_PARAM_INVALID, "a tensor's data is aligned to 32 bytes", SOURCE, "an address %p was set", addr);
    size_t seen = 0;
    for (int i = 0; i < executor->call.count; i++) {
        sim_operand *operand = &executor->call.operands[i];
        if (kind >= 0 && operand->output != (kind == 1)) continue;
        if (seen++ != index) continue;
        if (operand->tensor != tensor)
            return sim_fail(ACLNN_ERR_PARAM_INVALID, "an index names its tensor", SOURCE, "%s: tensor %zu is another one", executor->call.name, index);
        ((aclTensor *)tensor)->view.data = addr;
        return 0;
    }
    return sim_fail(ACLNN_ERR_PARAM_INVALID, "an index is below the number of tensors", SOURCE, "%s has no tensor %zu", executor->call.name, index);
}

SIM_API aclnnStatus aclSetTensorAddr(aclOpExecutor *executor, const size_t index, aclTensor *tensor, void *addr) {
    sim_called();
    return set_address(executor, index, tensor, addr, -1);
}

SIM_API aclnnStatus aclSetInputTensorAddr(aclOpExecutor *executor, const size_t index, aclTensor *tensor, void *addr) {
    sim_called();
    return set_address(executor, index, tensor, addr, 0);
}

SIM_API aclnnStatus aclSetOutputTensorAddr(aclOpExecutor *executor, const size_t index, aclTensor *tensor, void *addr) {
    sim_called();
    return set_address(executor, index, tensor, addr, 1);
}

static aclnnStatus set_listed(aclOpExecutor *executor, size_t index, size_t relative, aclTensorList *tensors, void *addr, int kind) {
    if (!sim_list_lives(tensors) || relative >= tensors->size)
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "an index is below the list's size", SOURCE, "a listed tensor's address was set out of range");
    return set_address(executor, index, tensors->tensors[relative], addr, kind);
}

SIM_API aclnnStatus aclSetDynamicInputTensorAddr(aclOpExecutor *executor, size_t irIndex, const size_t relativeIndex, aclTensorList *tensors, void *addr) {
    sim_called();
    return set_listed(executor, irIndex, relativeIndex, tensors, addr, 0);
}

SIM_API aclnnStatus aclSetDynamicOutputTensorAddr(aclOpExecutor *executor, size_t irIndex, const size_t relativeIndex, aclTensorList *tensors, void *addr) {
    sim_called();
    return set_listed(executor, irIndex, relativeIndex, tensors, addr, 1);
}

/* ---- the queued work ---- */

/* A workspace belongs to one stream until the work on it is done. */
typedef struct use {
    const char *begin, *end;
    sim_stream *stream;
    struct use *next;
} use;

static use *uses;

typedef struct {
    sim_task task;
    sim_call call;
    sim_stream *stream;
} op_task;

static use *claim(sim_stream *stream, const void *workspace, uint64_t bytes, bool *clash) {
    use *mine = calloc(1, sizeof *mine);
    mine->begin = workspace;
    mine->end = mine->begin + bytes;
    mine->stream = stream;
    pthread_mutex_lock(&sim_lock);
    *clash = false;
    for (use *u = uses; u; u = u->next)
        if (u->stream != stream && mine->begin < u->end && u->begin < mine->end) *clash = true;
    if (!*clash) {
        mine->next = uses;
        uses = mine;
    }
    pthread_mutex_unlock(&sim_lock);
    if (*clash) {
        free(mine);
        return 0;
    }
    return mine;
}

static void release(const void *workspace, sim_stream *stream) {
    pthread_mutex_lock(&sim_lock);
    for (use **link = &uses; *link; link = &(*link)->next)
        if ((*link)->begin == workspace && (*link)->stream == stream) {
            use *gone = *link;
            *link = gone->next;
            free(gone);
            break;
        }
    pthread_mutex_unlock(&sim_lock);
}

static const char *view_fault(const sim_view *view) {
    if (!sim_elements(view)) return 0;
    int64_t last = view->offset;
    for (int i = 0; i < view->rank; i++) last += (view->dims[i] - 1) * view->strides[i];
    if (view->dtype == ACL_INT4) return sim_device_fault(view->data + view->offset / 2, (size_t)(last / 2 - view->offset / 2 + 1));
    size_t size = aclDataTypeSize(view->dtype);
    return sim_device_fault(view->data + (size_t)view->offset * size, (size_t)(last - view->offset + 1) * size);
}

/* Whether an operator reads a view as it lies; if not, it copies it first, which is a kernel more (docs: non-contiguous tensors). */
static bool reads_as_it_lies(const sim_call *call, const sim_view *view) {
    if (view->dense || call->strides == ANY_STRIDES || sim_elements(view) <= 1) return true;
    if (call->strides != TRANSPOSED || view->rank < 2) return false;
    sim_view turned = *view;
    int last = view->rank - 1;
    turned.dims[last] = view->dims[last - 1];
    turned.dims[last - 1] = view->dims[last];
    turned.strides[last] = view->strides[last - 1];
    turned.strides[last - 1] = view->strides[last];
    int64_t dense = 1;
    for (int i = last; i >= 0; dense *= turned.dims[i], i--)
        if (turned.dims[i] != 1 && turned.strides[i] != dense) return false;
    return true;
}

static void count_kernels(const sim_call *call) {
    long copies = call->more_kernels;
    for (int i = 0; i < call->count; i++)
        if (call->operands[i].tensor && !reads_as_it_lies(call, &call->operands[i].view)) copies++;
    pthread_mutex_lock(&sim_lock);
    sim_count.kernels++;
    sim_count.contiguous_kernels += copies;
    pthread_mutex_unlock(&sim_lock);
}

static int run_op(sim_task *task) {
    op_task *op = (op_task *)task;
    op->call.failure = task->failure;
    for (int i = 0; i < op->call.count; i++) {
        const char *fault = op->call.operands[i].tensor ? view_fault(&op->call.operands[i].view) : 0;
        if (fault) {
            snprintf(task->failure, sizeof task->failure, "%s: %s: %s", op->call.name, op->call.operands[i].name, fault);
            return ACL_ERROR_RT_AICORE_EXCEPTION;
        }
    }
    const char *fault = sim_device_fault(op->call.workspace, op->call.workspace_bytes);
    if (fault) {
        snprintf(task->failure, sizeof task->failure, "%s: workspace: %s", op->call.name, fault);
        return ACL_ERROR_RT_AICORE_EXCEPTION;
    }
    /* A kernel writes all of its workspace, which destroys what anybody keeps there. */
    memset(op->call.workspace, 0xD5, op->call.workspace_bytes);
    count_kernels(&op->call);
    return op->call.run(&op->call);
}

static int run_and_release(sim_task *task) {
    op_task *op = (op_task *)task;
    int error = run_op(task);
    release(op->call.workspace, op->stream);
    return error;
}

static void drop_op(sim_task *task) {
    drop_lists(&((op_task *)task)->call);
    free(task);
}

static void replace_op(sim_task *task, sim_task *by) {
    /* Exchanged, so that the lists of both are dropped with their tasks. */
    sim_call before = ((op_task *)task)->call;
    ((op_task *)task)->call = ((op_task *)by)->call;
    ((op_task *)by)->call = before;
}

static aclnnStatus launch(const char *name, void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream) {
    if (strcmp(executor->call.name, name))
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "an executor runs its own operator", SOURCE, "%s with an executor of %s", name, executor->call.name);
    if (!pthread_equal(executor->thread, pthread_self()))
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "both phases in one thread", SOURCE, "%s in another thread than its first phase", name);
    sim_stream *queue = sim_use_stream(stream, name);
    if (!queue) return ACLNN_ERR_RUNTIME_ERROR;
    if (sim_current(name) != executor->context)
        return sim_fail(ACLNN_ERR_RUNTIME_ERROR, "both phases in one context", SOURCE, "%s in another context than its first phase", name);
    if (!workspace) return sim_fail(ACLNN_ERR_PARAM_NULLPTR, "a workspace of the size that the first phase gave", SOURCE, "%s without a workspace", name);
    if (workspaceSize < executor->call.workspace_bytes)
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "a workspace of the size that the first phase gave (a device would overwrite what lies behind)", SOURCE,
                        "%s with %lu bytes of %lu", name, (unsigned long)workspaceSize, (unsigned long)executor->call.workspace_bytes);
    if (!sim_find_block(workspace, executor->call.workspace_bytes, true))
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "a workspace is device memory, as large as was said", SOURCE, "%s: workspace %p", name, workspace);
    for (int i = 0; i < executor->call.count; i++)
        if (executor->call.operands[i].tensor && !sim_tensor_lives(executor->call.operands[i].tensor))
            return sim_fail(ACLNN_ERR_PARAM_INVALID, "tensors live until the second phase has returned", SOURCE, "%s: %s was destroyed", name,
                            executor->call.operands[i].name);
    bool clash = false;
    bool captured = sim_stream_capturing(queue) || sim_stream_update(queue);
    if (!captured) claim(queue, workspace, executor->call.workspace_bytes, &clash);
    if (clash)
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "a workspace serves one stream at a time", SOURCE, "%s: another stream still works in this workspace", name);
    op_task *op = calloc(1, sizeof *op);
    op->call = executor->call;
    keep_lists(&op->call);
    for (int i = 0; i < op->call.count; i++)
        if (op->call.operands[i].tensor) op->call.operands[i].view = op->call.operands[i].tensor->view;
    op->call.workspace = workspace;
    op->stream = queue;
    op->task.run = captured ? run_op : run_and_release;
    op->task.drop = drop_op;
    op->task.replace = replace_op;
    op->task.name = name;
    pthread_mutex_lock(&sim_lock);
    sim_count.operator_launches++;
    pthread_mutex_unlock(&sim_lock);
    return sim_enqueue(queue, &op->task);
}

aclnnStatus sim_launch(const char *name, void *workspace, uint64_t workspaceSize, aclOpExecutor *executor, aclrtStream stream) {
    sim_called();
    if (!lives(executor))
        return sim_fail(ACLNN_ERR_PARAM_INVALID, "the second phase consumes an executor that is not repeatable", SOURCE, "%s with a consumed executor", name);
    aclnnStatus status = launch(name, workspace, workspaceSize, executor, stream);
    executor->used = true;
    if (!executor->repeatable) bury(executor);
    return status;
}

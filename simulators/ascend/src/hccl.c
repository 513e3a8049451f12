/*
 * Collectives of a simulated group. Rules: hicann/hccl@09300b70df9a docs/zh/api_ref/comm_op_interface (the document of each collective: data types by chip, equal arguments on
 * all ranks, buffers that differ) and hicann/hcomm@2b912e7d include/hccl/hccl_comm.h. Work is queued on the stream as any other.
 */
#include "hccl_group.h"
#include "op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMM 0x4C434348u
#define ROOT "heng-root"
#define SOURCE "hccl_comm.h"

enum { ALL_REDUCE = 1, BROADCAST, ALL_GATHER, ALL_TO_ALL };
static const char *names[] = {"", "HcclAllReduce", "HcclBroadcast", "HcclAllGather", "HcclAlltoAllV"};

typedef struct {
    unsigned magic;
    group *shared;
    int rank, ranks, limit;
    sim_context *context;
    int pending; /* guarded by sim_lock */
    HcclResult failed;
} communicator;

static long live;

SIM_API long heng_sim_live_communicators(void) {
    pthread_mutex_lock(&sim_lock);
    long value = live;
    pthread_mutex_unlock(&sim_lock);
    return value;
}

static HcclResult refuse(HcclResult code, const char *rule, const char *source, const char *what) {
    sim_fail((int)code, rule, source, "%s", what);
    return code;
}

static int limit(void) {
    const char *text = getenv("HENG_SIMULATE_HCCL_TIMEOUT_MS");
    return text && atoi(text) > 0 ? atoi(text) : 30000;
}

SIM_API HcclResult HcclGetRootInfo(HcclRootInfo *rootInfo) {
    if (!rootInfo) return refuse(HCCL_E_PTR, "no null pointers", SOURCE, "HcclGetRootInfo(null)");
    if (!sim_current("HcclGetRootInfo")) return HCCL_E_RUNTIME;
    memset(rootInfo, 0, sizeof *rootInfo);
    memcpy(rootInfo->internal, ROOT, sizeof ROOT);
    group *shared = group_create(rootInfo->internal + 16);
    if (!shared) return refuse(HCCL_E_SYSCALL, "shared memory is there", "the simulator", "HcclGetRootInfo: no shared memory");
    group_close(shared);
    return HCCL_SUCCESS;
}

SIM_API HcclResult HcclCommInitRootInfo(uint32_t nRanks, const HcclRootInfo *rootInfo, uint32_t rank, HcclComm *comm) {
    if (!rootInfo || !comm) return refuse(HCCL_E_PTR, "no null pointers", SOURCE, "HcclCommInitRootInfo with a null pointer");
    sim_context *context = sim_current("HcclCommInitRootInfo");
    if (!context) return HCCL_E_RUNTIME;
    if (nRanks < 1 || rank >= nRanks) return refuse(HCCL_E_PARA, "a rank is below the number of ranks", SOURCE, "HcclCommInitRootInfo: no such rank");
    if (nRanks > GROUP_RANKS) return refuse(HCCL_E_NOT_SUPPORT, "16 ranks are simulated", "the simulator", "HcclCommInitRootInfo: too many ranks");
    if (strcmp(rootInfo->internal, ROOT))
        return refuse(HCCL_E_PARA, "root information is what HcclGetRootInfo gave", SOURCE, "HcclCommInitRootInfo: these bytes are none");
    group *shared = group_open(rootInfo->internal + 16);
    if (!shared) return refuse(HCCL_E_UNAVAIL, "root information serves one group, once", SOURCE, "HcclCommInitRootInfo: the group is gone");
    const char *wrong = group_join(shared, rootInfo->internal + 16, nRanks, rank, context->device, limit());
    if (wrong) {
        char what[400];
        snprintf(what, sizeof what, "HcclCommInitRootInfo, rank %u of %u: %s", rank, nRanks, shared->broken);
        group_close(shared);
        return refuse(strstr(wrong, "all ranks of") ? HCCL_E_TIMEOUT : HCCL_E_PARA, wrong, SOURCE, what);
    }
    communicator *made = calloc(1, sizeof *made);
    made->magic = COMM;
    made->shared = shared;
    made->rank = (int)rank;
    made->ranks = (int)nRanks;
    made->limit = limit();
    made->context = context;
    pthread_mutex_lock(&sim_lock);
    live++;
    pthread_mutex_unlock(&sim_lock);
    *comm = made;
    return HCCL_SUCCESS;
}

static communicator *known(HcclComm handle, const char *function) {
    communicator *comm = handle;
    if (comm && comm->magic == COMM) return comm;
    sim_fail(HCCL_E_PARA, "a communicator lives", SOURCE, "%s of something that is none, or was destroyed", function);
    return 0;
}

SIM_API HcclResult HcclCommDestroy(HcclComm handle) {
    communicator *comm = known(handle, "HcclCommDestroy");
    if (!comm) return HCCL_E_PARA;
    pthread_mutex_lock(&sim_lock);
    int pending = comm->pending;
    pthread_mutex_unlock(&sim_lock);
    if (pending) return refuse(HCCL_E_PARA, "a communicator is destroyed after its work is done", SOURCE, "HcclCommDestroy under queued work");
    group_leave(comm->shared, comm->rank);
    group_close(comm->shared);
    comm->magic = 0;
    pthread_mutex_lock(&sim_lock);
    live--;
    pthread_mutex_unlock(&sim_lock);
    sim_retire(comm);
    return HCCL_SUCCESS;
}

SIM_API HcclResult HcclGetCommName(HcclComm handle, char *commName) {
    if (!known(handle, "HcclGetCommName") || !commName) return HCCL_E_PTR;
    snprintf(commName, 128, "heng_simulated_group");
    return HCCL_SUCCESS;
}

SIM_API HcclResult HcclGetRankSize(HcclComm handle, uint32_t *rankSize) {
    communicator *comm = known(handle, "HcclGetRankSize");
    if (!comm || !rankSize) return HCCL_E_PTR;
    *rankSize = (uint32_t)comm->ranks;
    return HCCL_SUCCESS;
}

SIM_API HcclResult HcclGetRankId(HcclComm handle, uint32_t *rank) {
    communicator *comm = known(handle, "HcclGetRankId");
    if (!comm || !rank) return HCCL_E_PTR;
    *rank = (uint32_t)comm->rank;
    return HCCL_SUCCESS;
}

SIM_API HcclResult HcclGetCommAsyncError(HcclComm handle, HcclResult *asyncError) {
    communicator *comm = known(handle, "HcclGetCommAsyncError");
    if (!comm || !asyncError) return HCCL_E_PTR;
    *asyncError = comm->failed;
    return HCCL_SUCCESS;
}

SIM_API const char *HcclGetErrorString(HcclResult code) {
    switch (code) {
        case HCCL_SUCCESS: return "no error";
        case HCCL_E_PARA: return "parameter error";
        case HCCL_E_PTR: return "empty pointer";
        case HCCL_E_NOT_SUPPORT: return "not supported";
        case HCCL_E_TIMEOUT: return "timeout";
        case HCCL_E_RUNTIME: return "a call of the runtime failed";
        case HCCL_E_REMOTE: return "another rank failed";
        default: return "error";
    }
}

/* ---- data types ---- */

static bool element(int type, aclDataType *acl) {
    switch (type) {
        case HCCL_DATA_TYPE_INT8: *acl = ACL_INT8; return true;
        case HCCL_DATA_TYPE_INT32: *acl = ACL_INT32; return true;
        case HCCL_DATA_TYPE_INT64: *acl = ACL_INT64; return true;
        case HCCL_DATA_TYPE_FP16: *acl = ACL_FLOAT16; return true;
        case HCCL_DATA_TYPE_FP32: *acl = ACL_FLOAT; return true;
        case HCCL_DATA_TYPE_BFP16: *acl = ACL_BF16; return true;
        default: return false;
    }
}

/* ---- the queued work ---- */

typedef struct {
    sim_task task;
    communicator *comm;
    group_call call;
    uint64_t receive[GROUP_RANKS], send_at[GROUP_RANKS], receive_at[GROUP_RANKS]; /* elements */
    char *from, *to;
    aclDataType type;
    size_t size; /* of an element */
} exchange;

static bool meet(const exchange *x) {
    return group_meet(x->comm->shared, x->comm->rank, x->comm->limit);
}

static char *place(const exchange *x, int rank) {
    return x->comm->shared->data[rank];
}

static bool all_reduce(exchange *x) {
    uint64_t step = GROUP_CHUNK / x->size;
    for (uint64_t done = 0; done < x->call.count; done += step) {
        uint64_t n = x->call.count - done < step ? x->call.count - done : step;
        memcpy(place(x, x->comm->rank), x->from + done * x->size, n * x->size);
        if (!meet(x)) return false;
        sim_view out = {.dtype = x->type, .dense = true, .data = x->to + done * x->size};
        for (uint64_t i = 0; i < n; i++) {
            double total = 0;
            for (int r = 0; r < x->comm->ranks; r++) {
                sim_view in = {.dtype = x->type, .dense = true, .data = place(x, r)};
                double value = sim_get(&in, (int64_t)i);
                /* Sums keep the type of the data at every step: a wider one is documented nowhere. */
                if (r == 0) total = value;
                else if (x->call.op == HCCL_REDUCE_SUM) total = sim_rounded(x->type, total + value);
                else if (x->call.op == HCCL_REDUCE_MAX) total = value > total ? value : total;
                else total = value < total ? value : total;
            }
            sim_put(&out, (int64_t)i, total);
        }
        if (!meet(x)) return false;
    }
    return true;
}

static bool broadcast(exchange *x) {
    uint64_t bytes = x->call.count * x->size;
    for (uint64_t done = 0; done < bytes; done += GROUP_CHUNK) {
        uint64_t n = bytes - done < GROUP_CHUNK ? bytes - done : GROUP_CHUNK;
        bool root = (uint32_t)x->comm->rank == x->call.root;
        if (root) memcpy(place(x, x->comm->rank), x->to + done, n);
        if (!meet(x)) return false;
        if (!root) memcpy(x->to + done, place(x, (int)x->call.root), n);
        if (!meet(x)) return false;
    }
    return true;
}

static bool all_gather(exchange *x) {
    uint64_t bytes = x->call.count * x->size;
    for (uint64_t done = 0; done < bytes; done += GROUP_CHUNK) {
        uint64_t n = bytes - done < GROUP_CHUNK ? bytes - done : GROUP_CHUNK;
        memcpy(place(x, x->comm->rank), x->from + done, n);
        if (!meet(x)) return false;
        for (int r = 0; r < x->comm->ranks; r++) memcpy(x->to + (uint64_t)r * bytes + done, place(x, r), n);
        if (!meet(x)) return false;
    }
    return true;
}

/* Round by round, rank r sends to rank r + round. Every rank knows all counts, so that all go through as many pieces. */
static bool all_to_all(exchange *x) {
    int ranks = x->comm->ranks, me = x->comm->rank;
    const group_call *calls = x->comm->shared->calls;
    uint64_t counts[GROUP_RANKS][GROUP_RANKS];
    for (int r = 0; r < ranks; r++) memcpy(counts[r], calls[r].counts, sizeof counts[r]);
    for (int r = 0; r < ranks; r++)
        if (counts[r][me] != x->receive[r]) {
            group_break(x->comm->shared, "rank %d sends %lu elements to rank %d, whose recvCounts say %lu", r,
                     (unsigned long)counts[r][me], me, (unsigned long)x->receive[r]);
            return false;
        }
    if (!meet(x)) return false;
    uint64_t step = GROUP_CHUNK / x->size;
    for (int round = 0; round < ranks; round++) {
        uint64_t longest = 0;
        for (int r = 0; r < ranks; r++)
            if (counts[r][(r + round) % ranks] > longest) longest = counts[r][(r + round) % ranks];
        int to = (me + round) % ranks, from = (me - round + ranks) % ranks;
        for (uint64_t done = 0; done < longest; done += step) {
            uint64_t out = counts[me][to] > done ? counts[me][to] - done : 0, in = x->receive[from] > done ? x->receive[from] - done : 0;
            if (out > step) out = step;
            if (in > step) in = step;
            memcpy(place(x, me), x->from + (x->send_at[to] + done) * x->size, out * x->size);
            if (!meet(x)) return false;
            memcpy(x->to + (x->receive_at[from] + done) * x->size, place(x, from), in * x->size);
            if (!meet(x)) return false;
        }
    }
    return true;
}

/* Every rank says what it is about to do, and looks at what the others said. */
static bool agree(exchange *x) {
    group *shared = x->comm->shared;
    shared->calls[x->comm->rank] = x->call;
    if (!meet(x)) return false;
    for (int r = 0; r < x->comm->ranks; r++) {
        const group_call *other = &shared->calls[r];
        if (other->kind != x->call.kind || other->count != x->call.count || other->type != x->call.type || other->op != x->call.op ||
            other->root != x->call.root) {
            group_break(shared, "rank %d called %s (count %lu, type %d, root %u) and rank %d %s (count %lu, type %d, root %u)",
                     x->comm->rank, names[x->call.kind], (unsigned long)x->call.count, x->call.type, x->call.root, r, names[other->kind],
                     (unsigned long)other->count, other->type, other->root);
            return false;
        }
    }
    return meet(x);
}

static int run_exchange(sim_task *task) {
    exchange *x = (exchange *)task;
    bool fine = agree(x);
    if (fine) switch (x->call.kind) {
        case ALL_REDUCE: fine = all_reduce(x); break;
        case BROADCAST: fine = broadcast(x); break;
        case ALL_GATHER: fine = all_gather(x); break;
        default: fine = all_to_all(x); break;
    }
    if (fine) return 0;
    x->comm->failed = HCCL_E_REMOTE;
    snprintf(task->failure, sizeof task->failure, "%s: all ranks call the same collectives with the same arguments: %s", names[x->call.kind],
             x->comm->shared->broken);
    return ACL_ERROR_RT_AICORE_EXCEPTION;
}

static void drop_exchange(sim_task *task) {
    exchange *x = (exchange *)task;
    pthread_mutex_lock(&sim_lock);
    x->comm->pending--;
    pthread_mutex_unlock(&sim_lock);
    free(task);
}

/* ---- what is checked when it is called ---- */

static bool device_memory(const void *address, uint64_t bytes) {
    return !bytes || sim_find_block(address, bytes, true);
}

static HcclResult queue(int kind, const void *from, uint64_t from_count, const void *to, uint64_t to_count, group_call call, const exchange *more, HcclComm handle,
                        aclrtStream stream) {
    const char *name = names[kind];
    char doc[64], what[200];
    snprintf(doc, sizeof doc, "%s.md", name);
    communicator *comm = known(handle, name);
    if (!comm) return HCCL_E_PARA;
    if (sim_current(name) != comm->context)
        return refuse(HCCL_E_PARA, "a communicator is used in the context it was made in", SOURCE, "a collective in another context");
    aclDataType type;
    bool typed = element(call.type, &type);
    bool sums = kind == ALL_REDUCE;
    if (!typed || (sim_is_310p() && (type == ACL_BF16 || (sums && type == ACL_INT64))))
        return snprintf(what, sizeof what, "%s: data type %d", name, call.type), refuse(HCCL_E_NOT_SUPPORT, "data types are those of the document", doc, what);
    if (sums && (call.op == HCCL_REDUCE_PROD || call.op < 0 || call.op > 3))
        return refuse(HCCL_E_NOT_SUPPORT, "sums, largest and smallest are simulated", "the simulator", "HcclAllReduce: another operation");
    if (kind == BROADCAST && sim_is_310p()) return refuse(HCCL_E_NOT_SUPPORT, "Atlas inference series: not supported", doc, "HcclBroadcast on 310P");
    if (kind == BROADCAST && call.root >= (uint32_t)comm->ranks) return refuse(HCCL_E_PARA, "root is a rank", doc, "HcclBroadcast: no such root");
    size_t size = aclDataTypeSize(type);
    if (!from || !to) return refuse(HCCL_E_PTR, "no null pointers", doc, "a collective with a null buffer");
    if (kind == ALL_TO_ALL && from == to) return refuse(HCCL_E_PARA, "recvBuf and sendBuf differ", doc, "HcclAlltoAllV in place");
    if (!device_memory(from, from_count * size) || !device_memory(to, to_count * size))
        return snprintf(what, sizeof what, "%s: a buffer is not device memory, or too small", name), refuse(HCCL_E_PARA, "buffers are device memory and hold what is sent and received", doc, what);
    if (((uintptr_t)from | (uintptr_t)to) % size) return refuse(HCCL_E_PARA, "buffers are aligned to their elements", doc, "a buffer lies across elements");
    sim_stream *line = sim_use_stream(stream, name);
    if (!line) return HCCL_E_RUNTIME;
    exchange *x = calloc(1, sizeof *x);
    if (more) *x = *more;
    x->comm = comm;
    x->call = call;
    x->call.kind = kind;
    x->from = (char *)from;
    x->to = (char *)to;
    x->type = type;
    x->size = size;
    x->task.run = run_exchange;
    x->task.drop = drop_exchange;
    x->task.name = name;
    pthread_mutex_lock(&sim_lock);
    comm->pending++;
    pthread_mutex_unlock(&sim_lock);
    return sim_enqueue(line, &x->task) ? HCCL_E_RUNTIME : HCCL_SUCCESS;
}

SIM_API HcclResult HcclAllReduce(void *sendBuf, void *recvBuf, uint64_t count, HcclDataType dataType, HcclReduceOp op, HcclComm comm, aclrtStream stream) {
    return queue(ALL_REDUCE, sendBuf, count, recvBuf, count, (group_call){.count = count, .type = dataType, .op = op}, 0, comm, stream);
}

SIM_API HcclResult HcclBroadcast(void *buf, uint64_t count, HcclDataType dataType, uint32_t root, HcclComm comm, aclrtStream stream) {
    return queue(BROADCAST, buf, count, buf, count, (group_call){.count = count, .type = dataType, .root = root}, 0, comm, stream);
}

SIM_API HcclResult HcclAllGather(void *sendBuf, void *recvBuf, uint64_t sendCount, HcclDataType dataType, HcclComm comm, aclrtStream stream) {
    communicator *one = known(comm, "HcclAllGather");
    if (!one) return HCCL_E_PARA;
    return queue(ALL_GATHER, sendBuf, sendCount, recvBuf, sendCount * (uint64_t)one->ranks, (group_call){.count = sendCount, .type = dataType}, 0, comm, stream);
}

SIM_API HcclResult HcclAlltoAllV(const void *sendBuf, const void *sendCounts, const void *sdispls, HcclDataType sendType, const void *recvBuf,
                                 const void *recvCounts, const void *rdispls, HcclDataType recvType, HcclComm comm, aclrtStream stream) {
    communicator *one = known(comm, "HcclAlltoAllV");
    if (!one) return HCCL_E_PARA;
    if (!sendCounts || !sdispls || !recvCounts || !rdispls) return refuse(HCCL_E_PTR, "no null pointers", "HcclAlltoAllV.md", "HcclAlltoAllV without counts");
    if (sendType != recvType) return refuse(HCCL_E_PARA, "one type is sent and received", "HcclAlltoAllV.md", "HcclAlltoAllV of two types");
    if (sim_is_device(sendCounts) || sim_is_device(recvCounts))
        return refuse(HCCL_E_PARA, "counts and displacements are host arrays", "HcclAlltoAllV.md", "HcclAlltoAllV with counts on the device");
    exchange more = {0};
    group_call call = {.type = sendType};
    uint64_t sent = 0, received = 0;
    for (int r = 0; r < one->ranks; r++) {
        call.counts[r] = ((const uint64_t *)sendCounts)[r];
        more.receive[r] = ((const uint64_t *)recvCounts)[r];
        more.send_at[r] = ((const uint64_t *)sdispls)[r];
        more.receive_at[r] = ((const uint64_t *)rdispls)[r];
        if (call.counts[r] && call.counts[r] + more.send_at[r] > sent) sent = call.counts[r] + more.send_at[r];
        if (more.receive[r] && more.receive[r] + more.receive_at[r] > received) received = more.receive[r] + more.receive_at[r];
    }
    return queue(ALL_TO_ALL, sendBuf, sent, recvBuf, received, call, &more, comm, stream);
}

/*
 * What the simulator's parts share. Nothing here is part of a vendor's interface.
 *
 * The simulator is stricter than a device: where the documentation forbids something that real libraries let pass (a workspace that is too
 * small, memory freed under queued work, a wrong thread), it fails with a message that names the rule and its source.
 */
#ifndef HENG_SIM_H
#define HENG_SIM_H

#include "acl/acl.h"

#include <pthread.h>
#include <stdbool.h>

#define SIM_API __attribute__((visibility("default")))

/* ---- errors ---- */

/* Records a message for aclGetRecentErrMsg of this thread and returns code. rule: what was broken; source: the document that says so. */
int sim_fail(int code, const char *rule, const char *source, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Frees a handle's memory, but only after some thousands of others, so that a use after its destruction is seen. */
void sim_retire(void *handle);

/* ---- configuration, read once from the environment ---- */

typedef struct {
    const char *soc;       /* HENG_SIMULATE_SOC: a2 (default), a3, 950, 310p */
    const char *soc_name;  /* what aclrtGetSocName says */
    int devices;           /* HENG_SIMULATE_DEVICES, 1 by default */
    size_t memory;         /* HENG_SIMULATE_MEMORY, bytes of device memory */
    unsigned delay;        /* HENG_SIMULATE_DELAY_US: the longest seeded delay before a queued task */
    unsigned seed;         /* HENG_SIMULATE_SEED */
    bool stub;             /* HENG_SIMULATE_STUB=1: behave like the stub libraries of a toolkit without driver */
    int fail_allocation;   /* HENG_SIMULATE_FAIL_ALLOCATION=N: the Nth device allocation fails, 0 never */
    int lose_device;       /* HENG_SIMULATE_LOSE_DEVICE=N: after N tasks the device is lost, 0 never */
} sim_config;

const sim_config *sim_configuration(void);

/* ---- counters; exported so that tests can hold them ---- */

typedef struct {
    long device_allocations, device_bytes, peak_device_bytes;
    long host_allocations, host_bytes;
    long streams, events, contexts, graphs;
    long tasks, copies_to_device_bytes, copies_to_host_bytes, synchronisations, allocation_calls;
    long host_calls;         /* of any exported function */
    long operator_launches;  /* second phases that queued work, or put it into a graph or a task group */
    long graph_launches;     /* aclmdlRIExecute and aclmdlRIExecuteAsync */
    long kernels;            /* operators that the device began, once for each replay; contiguous_kernels come on top */
    long contiguous_kernels; /* copies that an operator makes of an operand it cannot read as it lies */
} sim_counters;

/* Counts a call of an exported function. */
void sim_called(void);

extern sim_counters sim_count;
extern pthread_mutex_t sim_lock; /* guards every registry and the counters */

/* ---- device, contexts ---- */

typedef struct sim_context sim_context;
struct sim_stream;

struct sim_context {
    unsigned magic;
    int device;
    bool is_default;
    struct sim_stream *default_stream;
    sim_context *next;
};

/* The current thread's context, or null after sim_fail with 107002 said for function. */
sim_context *sim_current(const char *function);
bool sim_initialised(void);
int sim_check_ready(const char *function);

/* ---- memory ---- */

typedef struct sim_block sim_block;

/* Finds the live block that holds [address, address + bytes). device: whether device or pinned host memory is meant. */
const sim_block *sim_find_block(const void *address, size_t bytes, bool device);
/* Says what is wrong with reading or writing a range of device memory, or null. Used by tasks, when they run. */
const char *sim_device_fault(const void *address, size_t bytes);
bool sim_is_device(const void *address);
bool sim_is_pinned(const void *address);
/* Checks the guards of every live block; returns the number that were overwritten. */
int sim_check_guards(void);

/* ---- streams ---- */

/* A queued piece of work. run returns 0 or an error code with its message in failure (a static or task-owned text). */
typedef struct sim_task {
    int (*run)(struct sim_task *task);
    void (*drop)(struct sim_task *task); /* frees the task */
    /* Of an operator's task: takes over what another one of its kind would do. Null for copies, fills and events, which no task group may hold. */
    void (*replace)(struct sim_task *task, struct sim_task *by);
    const char *name;
    char failure[512];
    struct sim_task *next;
} sim_task;

typedef struct sim_stream sim_stream;

/* Checks that stream belongs to the current context; null means the default stream. Returns null after sim_fail. */
sim_stream *sim_use_stream(aclrtStream stream, const char *function);
/* Queues a task, or adds it to the graph that the stream is capturing. The stream owns it from now on. */
int sim_enqueue(sim_stream *stream, sim_task *task);
bool sim_stream_capturing(const sim_stream *stream);
sim_stream *sim_stream_new(sim_context *context, bool is_default);
void sim_stream_free(sim_stream *stream);
int sim_stream_wait(sim_stream *stream, int milliseconds, const char *function);
bool sim_stream_idle(sim_stream *stream);
/* An aclrtSynchronize..., a blocking copy or a query is illegal in this thread or on this stream while something captures. Returns 0 or the error. */
int sim_check_not_capturing(const char *function, const sim_stream *stream);
/* Whether any stream captures in global mode and this thread has not exchanged to relaxed mode. */
bool sim_capture_forbids_blocking(void);
int sim_wait_all(sim_context *context, int milliseconds, const char *function);
/* For graphs: detaches what the stream recorded since capturing began. */
void sim_stream_set_capture(sim_stream *stream, void *graph);
void *sim_stream_capture(const sim_stream *stream);
int sim_graph_add(void *graph, sim_task *task);
/* The update of a task group that the stream collects, or null. */
void sim_stream_set_update(sim_stream *stream, void *update);
void *sim_stream_update(const sim_stream *stream);
int sim_update_add(void *update, sim_task *task);

#endif

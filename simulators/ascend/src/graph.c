/*
 * Capture of a stream into a graph. Source: hicann/runtime@681ef7610df1 docs/zh/api_ref aclmdlRICaptureBegin and its neighbours.
 *
 * Task groups: docs/zh/dev_guide/04-03_task_update.md. One stream is captured into a graph here; a second stream joined by events is refused, because this simulator cannot prove its order.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS "docs/zh/api_ref aclmdlRICaptureBegin"

int sim_enqueue_borrowed(sim_stream *stream, sim_task *task);

#if HENG_SIM_HEAD

typedef struct sim_graph sim_graph;

enum { GROUP_TASKS = 16 };

/* Tasks of a graph whose arguments may be changed: those between aclmdlRICaptureTaskGrpBegin and ...End. */
typedef struct task_group {
    sim_graph *graph;
    sim_task *tasks[GROUP_TASKS];
    int count;
    struct task_group *next;
} task_group;

struct sim_graph {
    task_group *groups, *open;
    sim_task *first, **last;
    long tasks;
    sim_stream *stream; /* while capturing */
    pthread_t thread;
    aclmdlRICaptureMode mode;
    bool finished;
    long running; /* queued and not done */
    long started; /* on the device */
    struct sim_graph *next;
};

#define UPDATE "docs/zh/dev_guide/04-03_task_update.md"

static sim_graph *graphs;
static int global_captures; /* streams capturing in ACL_MODEL_RI_CAPTURE_MODE_GLOBAL */
static _Thread_local int local_captures;
static _Thread_local aclmdlRICaptureMode thread_mode = ACL_MODEL_RI_CAPTURE_MODE_GLOBAL;

static bool known(const void *handle) {
    for (sim_graph *g = graphs; g; g = g->next)
        if (g == handle) return true;
    return false;
}

bool sim_capture_forbids_blocking(void) {
    if (thread_mode == ACL_MODEL_RI_CAPTURE_MODE_RELAXED) return false;
    pthread_mutex_lock(&sim_lock);
    bool global = global_captures > 0;
    pthread_mutex_unlock(&sim_lock);
    return (global && thread_mode == ACL_MODEL_RI_CAPTURE_MODE_GLOBAL) || local_captures > 0;
}

int sim_check_not_capturing(const char *function, const sim_stream *stream) {
    if (stream && sim_stream_capturing(stream))
        return sim_fail(ACL_ERROR_RT_STREAM_CAPTURED, "no waiting for or asking of a capturing stream", DOCS, "%s of a stream that is capturing", function);
    if (sim_capture_forbids_blocking())
        return sim_fail(ACL_ERROR_RT_CAPTURE_MODE_NOT_SUPPORT, "no blocking call while a stream captures, unless the thread exchanged to relaxed mode",
                        DOCS, "%s while a stream is capturing", function);
    return 0;
}

int sim_graph_add(void *graph, sim_task *task) {
    sim_graph *into = graph;
    if (into->open) {
        if (!task->replace || into->open->count == GROUP_TASKS) {
            int wrong = sim_fail(ACL_ERROR_RT_PARAM_INVALID, "a task group holds single operators only", UPDATE, "%s in a task group", task->name);
            if (task->drop) task->drop(task);
            return wrong;
        }
        into->open->tasks[into->open->count++] = task;
    }
    task->next = 0;
    *into->last = task;
    into->last = &task->next;
    into->tasks++;
    return 0;
}

SIM_API aclError aclmdlRICaptureBegin(aclrtStream stream, aclmdlRICaptureMode mode) {
    sim_called();
    if ((int)mode < 0 || (int)mode > 2)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "modes are 0..2", DOCS, "aclmdlRICaptureBegin in mode %d", (int)mode);
    if (!stream) return sim_fail(ACL_ERROR_RT_STREAM_CAPTURE_IMPLICIT, "the default stream is not captured", DOCS, "aclmdlRICaptureBegin(null)");
    sim_stream *found = sim_use_stream(stream, "aclmdlRICaptureBegin");
    if (!found) return ACL_ERROR_RT_STREAM_CONTEXT;
    if (sim_stream_capturing(found))
        return sim_fail(ACL_ERROR_RT_STREAM_CAPTURED, "a stream is captured once at a time", DOCS, "aclmdlRICaptureBegin of a stream that is capturing");
    sim_graph *graph = calloc(1, sizeof *graph);
    graph->last = &graph->first;
    graph->stream = found;
    graph->thread = pthread_self();
    graph->mode = mode;
    pthread_mutex_lock(&sim_lock);
    graph->next = graphs;
    graphs = graph;
    sim_count.graphs++;
    if (mode == ACL_MODEL_RI_CAPTURE_MODE_GLOBAL) global_captures++;
    pthread_mutex_unlock(&sim_lock);
    if (mode == ACL_MODEL_RI_CAPTURE_MODE_THREAD_LOCAL) local_captures++;
    sim_stream_set_capture(found, graph);
    return 0;
}

SIM_API aclError aclmdlRICaptureGetInfo(aclrtStream stream, aclmdlRICaptureStatus *status, aclmdlRI *modelRI) {
    sim_called();
    sim_stream *found = sim_use_stream(stream, "aclmdlRICaptureGetInfo");
    if (!found) return ACL_ERROR_RT_STREAM_CONTEXT;
    if (!status || !modelRI) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclmdlRICaptureGetInfo with a null pointer");
    *modelRI = sim_stream_capture(found);
    *status = *modelRI ? ACL_MODEL_RI_CAPTURE_STATUS_ACTIVE : ACL_MODEL_RI_CAPTURE_STATUS_NONE;
    return 0;
}

SIM_API aclError aclmdlRICaptureEnd(aclrtStream stream, aclmdlRI *modelRI) {
    sim_called();
    sim_stream *found = sim_use_stream(stream, "aclmdlRICaptureEnd");
    if (!found) return ACL_ERROR_RT_STREAM_CONTEXT;
    if (!modelRI) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclmdlRICaptureEnd with a null pointer");
    sim_graph *graph = sim_stream_capture(found);
    if (!graph) return sim_fail(ACL_ERROR_RT_STREAM_NOT_CAPTURED, "an end follows a begin", DOCS, "aclmdlRICaptureEnd of a stream that is not capturing");
    if (graph->mode != ACL_MODEL_RI_CAPTURE_MODE_RELAXED && !pthread_equal(graph->thread, pthread_self()))
        return sim_fail(ACL_ERROR_RT_STREAM_CAPTURE_WRONG_THREAD, "the thread that began ends, except in relaxed mode", DOCS,
                        "aclmdlRICaptureEnd by another thread");
    if (graph->open)
        return sim_fail(ACL_ERROR_RT_STREAM_CAPTURE_UNMATCHED, "a task group that began ends", UPDATE, "aclmdlRICaptureEnd while a task group is open");
    sim_stream_set_capture(found, 0);
    graph->stream = 0;
    graph->finished = true;
    pthread_mutex_lock(&sim_lock);
    if (graph->mode == ACL_MODEL_RI_CAPTURE_MODE_GLOBAL) global_captures--;
    pthread_mutex_unlock(&sim_lock);
    if (graph->mode == ACL_MODEL_RI_CAPTURE_MODE_THREAD_LOCAL) local_captures--;
    *modelRI = graph;
    return 0;
}

SIM_API aclError aclmdlRICaptureThreadExchangeMode(aclmdlRICaptureMode *mode) {
    sim_called();
    if (!mode || (int)*mode < 0 || (int)*mode > 2)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "modes are 0..2", DOCS, "aclmdlRICaptureThreadExchangeMode with no valid mode");
    aclmdlRICaptureMode before = thread_mode;
    thread_mode = *mode;
    *mode = before;
    return 0;
}

static sim_graph *use(aclmdlRI handle, const char *function, int *error) {
    *error = sim_check_ready(function);
    if (*error) return 0;
    pthread_mutex_lock(&sim_lock);
    bool valid = known(handle);
    pthread_mutex_unlock(&sim_lock);
    sim_graph *graph = valid ? handle : 0;
    if (!graph || !graph->finished) {
        *error = sim_fail(ACL_ERROR_RT_INVALID_HANDLE, "a graph is a live one whose capture ended", DOCS, "%s of graph %p", function, handle);
        return 0;
    }
    return graph;
}

/* The beginning or the end of a graph's run. */
typedef struct {
    sim_task task;
    sim_graph *graph;
} edge_task;

static int run_begin(sim_task *task) {
    pthread_mutex_lock(&sim_lock);
    ((edge_task *)task)->graph->started++;
    pthread_mutex_unlock(&sim_lock);
    return 0;
}

static int run_end(sim_task *task) {
    pthread_mutex_lock(&sim_lock);
    ((edge_task *)task)->graph->started--;
    pthread_mutex_unlock(&sim_lock);
    return 0;
}

static void drop_begin(sim_task *task) {
    free(task);
}

/* Also when the stream failed and the graph's tasks were skipped. */
static void drop_end(sim_task *task) {
    pthread_mutex_lock(&sim_lock);
    ((edge_task *)task)->graph->running--;
    pthread_mutex_unlock(&sim_lock);
    free(task);
}

static sim_task *edge(sim_graph *graph, bool begin) {
    edge_task *edge = calloc(1, sizeof *edge);
    edge->task.run = begin ? run_begin : run_end;
    edge->task.drop = begin ? drop_begin : drop_end;
    edge->task.name = begin ? "beginning of a graph" : "end of a graph";
    edge->graph = graph;
    return &edge->task;
}

static aclError execute(sim_graph *graph, sim_stream *stream) {
    pthread_mutex_lock(&sim_lock);
    graph->running++;
    sim_count.graph_launches++;
    pthread_mutex_unlock(&sim_lock);
    sim_enqueue(stream, edge(graph, true));
    for (sim_task *task = graph->first; task; task = task->next) sim_enqueue_borrowed(stream, task);
    return sim_enqueue(stream, edge(graph, false));
}

SIM_API aclError aclmdlRIExecuteAsync(aclmdlRI modelRI, aclrtStream stream) {
    sim_called();
    int error;
    sim_graph *graph = use(modelRI, "aclmdlRIExecuteAsync", &error);
    if (!graph) return error;
    sim_stream *found = sim_use_stream(stream, "aclmdlRIExecuteAsync");
    if (!found) return ACL_ERROR_RT_STREAM_CONTEXT;
    if (sim_stream_capturing(found))
        return sim_fail(ACL_ERROR_RT_STREAM_CAPTURED, "a graph is not run into a capture", DOCS, "aclmdlRIExecuteAsync on a stream that is capturing");
    return execute(graph, found);
}

SIM_API aclError aclmdlRIExecute(aclmdlRI modelRI, int32_t timeout) {
    sim_called();
    int error;
    sim_graph *graph = use(modelRI, "aclmdlRIExecute", &error);
    if (!graph) return error;
    sim_context *context = sim_current("aclmdlRIExecute");
    if (!context) return ACL_ERROR_RT_CONTEXT_NULL;
    error = execute(graph, context->default_stream);
    return error ? error : sim_stream_wait(context->default_stream, timeout, "aclmdlRIExecute");
}

SIM_API aclError aclmdlRIDestroy(aclmdlRI modelRI) {
    sim_called();
    int error;
    sim_graph *graph = use(modelRI, "aclmdlRIDestroy", &error);
    if (!graph) return error;
    pthread_mutex_lock(&sim_lock);
    bool running = graph->running > 0;
    if (!running) {
        for (sim_graph **link = &graphs; *link; link = &(*link)->next)
            if (*link == graph) {
                *link = graph->next;
                break;
            }
        sim_count.graphs--;
    }
    pthread_mutex_unlock(&sim_lock);
    if (running)
        return sim_fail(ACL_ERROR_RT_MODEL_RUNNING, "a graph is destroyed when it is not running", DOCS, "aclmdlRIDestroy of a graph that is running");
    for (sim_task *task = graph->first; task;) {
        sim_task *next = task->next;
        if (task->drop) task->drop(task);
        task = next;
    }
    for (task_group *group = graph->groups; group;) {
        task_group *next = group->next;
        free(group);
        group = next;
    }
    free(graph);
    return 0;
}

SIM_API aclError aclmdlRIAbort(aclmdlRI modelRI) {
    sim_called();
    int error;
    return use(modelRI, "aclmdlRIAbort", &error) ? 0 : error;
}

/* ---- task groups: host arguments of captured operators are frozen, and changed by collecting the same operators anew ---- */

typedef struct {
    sim_task task;
    task_group *group;
    sim_task *fresh[GROUP_TASKS];
    int count;
    bool refused;
} update_task;

static sim_graph *capturing(aclrtStream stream, const char *function, int *error) {
    sim_stream *found = sim_use_stream(stream, function);
    sim_graph *graph = found ? sim_stream_capture(found) : 0;
    *error = ACL_ERROR_RT_STREAM_CONTEXT;
    if (found && !graph) *error = sim_fail(ACL_ERROR_RT_STREAM_NOT_CAPTURED, "task groups are marked while a stream captures", UPDATE, "%s", function);
    return graph;
}

SIM_API aclError aclmdlRICaptureTaskGrpBegin(aclrtStream stream) {
    sim_called();
    int error;
    sim_graph *graph = capturing(stream, "aclmdlRICaptureTaskGrpBegin", &error);
    if (!graph) return error;
    if (graph->open)
        return sim_fail(ACL_ERROR_RT_STREAM_CAPTURE_UNMATCHED, "one task group at a time", UPDATE, "aclmdlRICaptureTaskGrpBegin while a task group is open");
    graph->open = calloc(1, sizeof *graph->open);
    graph->open->graph = graph;
    return 0;
}

SIM_API aclError aclmdlRICaptureTaskGrpEnd(aclrtStream stream, aclrtTaskGrp *handle) {
    sim_called();
    int error;
    sim_graph *graph = capturing(stream, "aclmdlRICaptureTaskGrpEnd", &error);
    if (!graph) return error;
    if (!handle) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclmdlRICaptureTaskGrpEnd with a null pointer");
    if (!graph->open) return sim_fail(ACL_ERROR_RT_STREAM_CAPTURE_UNMATCHED, "an end follows a begin", UPDATE, "aclmdlRICaptureTaskGrpEnd without a begin");
    graph->open->next = graph->groups;
    graph->groups = graph->open;
    *handle = graph->open;
    graph->open = 0;
    return 0;
}

static task_group *group_of(const void *handle) {
    for (sim_graph *graph = graphs; graph; graph = graph->next)
        for (task_group *group = graph->finished ? graph->groups : 0; group; group = group->next)
            if (group == handle) return group;
    return 0;
}

SIM_API aclError aclmdlRICaptureTaskUpdateBegin(aclrtStream stream, aclrtTaskGrp handle) {
    sim_called();
    sim_stream *found = sim_use_stream(stream, "aclmdlRICaptureTaskUpdateBegin");
    if (!found) return ACL_ERROR_RT_STREAM_CONTEXT;
    if (sim_stream_capturing(found))
        return sim_fail(ACL_ERROR_RT_STREAM_CAPTURED, "the stream of an update does not capture", UPDATE, "aclmdlRICaptureTaskUpdateBegin on a capturing stream");
    if (sim_stream_update(found))
        return sim_fail(ACL_ERROR_RT_STREAM_CAPTURE_UNMATCHED, "one update at a time", UPDATE, "aclmdlRICaptureTaskUpdateBegin while an update is open");
    pthread_mutex_lock(&sim_lock);
    task_group *group = group_of(handle);
    pthread_mutex_unlock(&sim_lock);
    if (!group)
        return sim_fail(ACL_ERROR_RT_INVALID_HANDLE, "a task group is of a live graph whose capture ended", UPDATE, "aclmdlRICaptureTaskUpdateBegin of group %p",
                        handle);
    update_task *update = calloc(1, sizeof *update);
    update->group = group;
    sim_stream_set_update(found, update);
    return 0;
}

int sim_update_add(void *handle, sim_task *task) {
    update_task *update = handle;
    int at = update->count;
    if (!task->replace || at >= update->group->count || strcmp(task->name, update->group->tasks[at]->name)) {
        int wrong = sim_fail(ACL_ERROR_RT_PARAM_INVALID, "an update has the group's operators, in number and kind", UPDATE, "%s as task %d of %d", task->name, at,
                             update->group->count);
        update->refused = true;
        if (task->drop) task->drop(task);
        return wrong;
    }
    update->fresh[update->count++] = task;
    return 0;
}

static int run_update(sim_task *task) {
    update_task *update = (update_task *)task;
    pthread_mutex_lock(&sim_lock);
    bool running = update->group->graph->started > 0;
    pthread_mutex_unlock(&sim_lock);
    if (running) {
        snprintf(task->failure, sizeof task->failure, "a task group is updated while its graph runs (" UPDATE ": order them by events)");
        return ACL_ERROR_RT_MODEL_RUNNING;
    }
    for (int i = 0; i < update->count; i++) update->group->tasks[i]->replace(update->group->tasks[i], update->fresh[i]);
    return 0;
}

static void drop_update(sim_task *task) {
    update_task *update = (update_task *)task;
    for (int i = 0; i < update->count; i++) update->fresh[i]->drop(update->fresh[i]);
    free(update);
}

SIM_API aclError aclmdlRICaptureTaskUpdateEnd(aclrtStream stream) {
    sim_called();
    sim_stream *found = sim_use_stream(stream, "aclmdlRICaptureTaskUpdateEnd");
    if (!found) return ACL_ERROR_RT_STREAM_CONTEXT;
    update_task *update = sim_stream_update(found);
    if (!update) return sim_fail(ACL_ERROR_RT_STREAM_CAPTURE_UNMATCHED, "an end follows a begin", UPDATE, "aclmdlRICaptureTaskUpdateEnd without a begin");
    sim_stream_set_update(found, 0);
    if (update->refused || update->count != update->group->count) {
        int wrong = sim_fail(ACL_ERROR_RT_PARAM_INVALID, "an update has the group's operators, in number and kind", UPDATE, "%d of %d tasks were updated",
                             update->count, update->group->count);
        drop_update(&update->task);
        return wrong;
    }
    update->task.run = run_update;
    update->task.drop = drop_update;
    update->task.name = "update of a task group";
    return sim_enqueue(found, &update->task);
}

#else

bool sim_capture_forbids_blocking(void) {
    return false;
}

int sim_check_not_capturing(const char *function, const sim_stream *stream) {
    (void)function;
    (void)stream;
    return 0;
}

int sim_graph_add(void *graph, sim_task *task) {
    (void)graph;
    (void)task;
    return 0;
}

int sim_update_add(void *update, sim_task *task) {
    (void)update;
    (void)task;
    return 0;
}

#endif

/*
 * Streams: a queue and a thread each, with seeded delays, so that whoever forgets to wait reads old data. Source: hicann/runtime@681ef7610df1
 * docs/zh/api_ref aclrtCreateStream and others, src/runtime/api/impl/api_error.cc.
 */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DOCS "docs/zh/api_ref"

typedef struct node {
    sim_task *task;
    bool owned;
    struct node *next;
} node;

struct sim_stream {
    sim_context *context;
    bool is_default;
    int id;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    node *first, **last;
    long queued, finished;
    bool stopping, aborted;
    int error;             /* of the first task that failed; sticky */
    char failure[512];
    unsigned random;
    void *capture, *update;
    sim_stream *next;
};

static sim_stream *streams;
static int next_id;

static unsigned draw(sim_stream *stream) {
    stream->random = stream->random * 1664525u + 1013904223u;
    return stream->random >> 8;
}

static int run_task(sim_stream *stream, sim_task *task) {
    const sim_config *config = sim_configuration();
    if (config->delay) usleep(draw(stream) % (config->delay + 1));
    pthread_mutex_lock(&sim_lock);
    long number = ++sim_count.tasks;
    bool lost = config->lose_device && number > config->lose_device;
    pthread_mutex_unlock(&sim_lock);
    if (lost) {
        snprintf(task->failure, sizeof task->failure, "%s: the device is lost", task->name);
        return ACL_ERROR_RT_DRV_INTERNAL_ERROR;
    }
    task->failure[0] = 0;
    return task->run(task);
}

static void *work(void *argument) {
    sim_stream *stream = argument;
    pthread_mutex_lock(&stream->lock);
    for (;;) {
        while (!stream->first && !stream->stopping) pthread_cond_wait(&stream->work, &stream->lock);
        node *n = stream->first;
        if (!n) break;
        stream->first = n->next;
        if (!stream->first) stream->last = &stream->first;
        /* After a failure nothing of the stream runs any more: what follows would compute on garbage. */
        bool skip = stream->error || stream->aborted;
        pthread_mutex_unlock(&stream->lock);
        int error = skip ? 0 : run_task(stream, n->task);
        char failure[512];
        snprintf(failure, sizeof failure, "%s", n->task->failure);
        if (n->owned && n->task->drop) n->task->drop(n->task);
        free(n);
        pthread_mutex_lock(&stream->lock);
        if (error && !stream->error) {
            stream->error = error;
            snprintf(stream->failure, sizeof stream->failure, "%s", failure);
        }
        stream->finished++;
        pthread_cond_broadcast(&stream->done);
    }
    pthread_mutex_unlock(&stream->lock);
    return 0;
}

/* Called with sim_lock held. */
sim_stream *sim_stream_new(sim_context *context, bool is_default) {
    sim_stream *stream = calloc(1, sizeof *stream);
    stream->context = context;
    stream->is_default = is_default;
    stream->id = next_id++;
    stream->last = &stream->first;
    stream->random = sim_configuration()->seed * 2654435761u + (unsigned)stream->id;
    pthread_mutex_init(&stream->lock, 0);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&stream->work, 0);
    pthread_cond_init(&stream->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_create(&stream->thread, 0, work, stream);
    stream->next = streams;
    streams = stream;
    if (!is_default) sim_count.streams++;
    return stream;
}

void sim_stream_free(sim_stream *stream) {
    pthread_mutex_lock(&stream->lock);
    stream->stopping = true;
    pthread_cond_broadcast(&stream->work);
    pthread_mutex_unlock(&stream->lock);
    pthread_join(stream->thread, 0);
    pthread_mutex_lock(&sim_lock);
    for (sim_stream **link = &streams; *link; link = &(*link)->next)
        if (*link == stream) {
            *link = stream->next;
            break;
        }
    if (!stream->is_default) sim_count.streams--;
    pthread_mutex_unlock(&sim_lock);
    pthread_mutex_destroy(&stream->lock);
    pthread_cond_destroy(&stream->work);
    pthread_cond_destroy(&stream->done);
    free(stream);
}

static sim_stream *known(const void *handle) {
    pthread_mutex_lock(&sim_lock);
    sim_stream *found = 0;
    for (sim_stream *s = streams; s && !found; s = s->next)
        if (s == handle) found = s;
    pthread_mutex_unlock(&sim_lock);
    return found;
}

sim_stream *sim_use_stream(aclrtStream stream, const char *function) {
    sim_context *context = sim_current(function);
    if (!context) return 0;
    if (!stream) return context->default_stream;
    sim_stream *found = known(stream);
    if (!found) {
        sim_fail(ACL_ERROR_RT_INVALID_HANDLE, "a stream is a live one", DOCS " aclrtCreateStream", "%s of stream %p", function, stream);
        return 0;
    }
    if (found->context != context) {
        sim_fail(ACL_ERROR_RT_STREAM_CONTEXT, "a stream belongs to the context that made it", DOCS " aclrtCreateStream",
                 "%s: stream %p is not of the current context", function, stream);
        return 0;
    }
    return found;
}

/* The error of sim_use_stream when it gave null. */
static int use_error(aclrtStream stream) {
    if (!sim_current("a stream call")) return ACL_ERROR_RT_CONTEXT_NULL;
    return known(stream) ? ACL_ERROR_RT_STREAM_CONTEXT : ACL_ERROR_RT_INVALID_HANDLE;
}

bool sim_stream_capturing(const sim_stream *stream) {
    return stream->capture != 0;
}

void sim_stream_set_capture(sim_stream *stream, void *graph) {
    pthread_mutex_lock(&sim_lock);
    stream->capture = graph;
    pthread_mutex_unlock(&sim_lock);
}

void *sim_stream_capture(const sim_stream *stream) {
    return stream->capture;
}

void sim_stream_set_update(sim_stream *stream, void *update) {
    stream->update = update;
}

void *sim_stream_update(const sim_stream *stream) {
    return stream->update;
}

static int enqueue(sim_stream *stream, sim_task *task, bool owned) {
    node *n = calloc(1, sizeof *n);
    n->task = task;
    n->owned = owned;
    pthread_mutex_lock(&stream->lock);
    *stream->last = n;
    stream->last = &n->next;
    stream->queued++;
    pthread_cond_signal(&stream->work);
    pthread_mutex_unlock(&stream->lock);
    return 0;
}

int sim_enqueue(sim_stream *stream, sim_task *task) {
    if (stream->update) return sim_update_add(stream->update, task);
    if (stream->capture) return sim_graph_add(stream->capture, task);
    return enqueue(stream, task, true);
}

/* For graphs: queues a task that the graph keeps. */
int sim_enqueue_borrowed(sim_stream *stream, sim_task *task) {
    return enqueue(stream, task, false);
}

bool sim_stream_idle(sim_stream *stream) {
    pthread_mutex_lock(&stream->lock);
    bool idle = stream->finished == stream->queued;
    pthread_mutex_unlock(&stream->lock);
    return idle;
}

int sim_stream_wait(sim_stream *stream, int milliseconds, const char *function) {
    pthread_mutex_lock(&sim_lock);
    sim_count.synchronisations++;
    pthread_mutex_unlock(&sim_lock);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&stream->lock);
    long target = stream->queued;
    int late = 0;
    while (stream->finished < target && late != ETIMEDOUT)
        late = milliseconds < 0 ? pthread_cond_wait(&stream->done, &stream->lock) : pthread_cond_timedwait(&stream->done, &stream->lock, &until);
    bool timed_out = stream->finished < target;
    int error = stream->error;
    char failure[512];
    snprintf(failure, sizeof failure, "%s", stream->failure);
    pthread_mutex_unlock(&stream->lock);
    if (timed_out)
        return sim_fail(507046, "waiting ends after the timeout", DOCS " aclrtSynchronizeStreamWithTimeout", "%s: not done in %d ms", function, milliseconds);
    if (error) return sim_fail(error, "queued work failed", "the simulator", "%s", failure);
    return 0;
}

int sim_wait_all(sim_context *context, int milliseconds, const char *function) {
    int wrong = sim_check_not_capturing(function, 0);
    if (wrong) return wrong;
    sim_stream *mine[2048];
    int count = 0;
    pthread_mutex_lock(&sim_lock);
    for (sim_stream *s = streams; s && count < 2048; s = s->next)
        if (s->context->device == context->device) mine[count++] = s;
    pthread_mutex_unlock(&sim_lock);
    for (int i = 0; i < count && !wrong; i++) wrong = sim_stream_wait(mine[i], milliseconds, function);
    return wrong;
}

static aclError create(const char *function, aclrtStream *result) {
    sim_context *context = sim_current(function);
    if (!context) return ACL_ERROR_RT_CONTEXT_NULL;
    if (!result) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", DOCS " aclrtCreateStream", "%s(null)", function);
    long limit = strcmp(sim_configuration()->soc, "310p") ? 1984 : 1024;
    pthread_mutex_lock(&sim_lock);
    bool full = sim_count.streams >= limit;
    sim_stream *made = full ? 0 : sim_stream_new(context, false);
    pthread_mutex_unlock(&sim_lock);
    if (full)
        return sim_fail(ACL_ERROR_RT_RESOURCE_ALLOC_FAIL, "at most 1984 streams (310P: 1024)", DOCS " aclrtCreateStream", "%s: %ld streams exist", function,
                        limit);
    *result = made;
    return 0;
}

SIM_API aclError aclrtCreateStream(aclrtStream *stream) {
    sim_called();
    return create("aclrtCreateStream", stream);
}

SIM_API aclError aclrtCreateStreamWithConfig(aclrtStream *stream, uint32_t priority, uint32_t flag) {
    sim_called();
    (void)priority;
    (void)flag;
    return create("aclrtCreateStreamWithConfig", stream);
}

static aclError destroy(const char *function, aclrtStream stream, bool force) {
    if (!stream) return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "the default stream is not destroyed", DOCS " aclrtDestroyStream", "%s(null)", function);
    sim_stream *found = sim_use_stream(stream, function);
    if (!found) return use_error(stream);
    if (found->is_default)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "the default stream is not destroyed", DOCS " aclrtDestroyStream", "%s of the default stream", function);
    if (found->capture) return sim_fail(107027, "a capturing stream is not destroyed", DOCS " aclmdlRICaptureBegin", "%s while it is capturing", function);
    if (force) {
        pthread_mutex_lock(&found->lock);
        found->aborted = true;
        pthread_mutex_unlock(&found->lock);
    }
    sim_stream_free(found);
    return 0;
}

SIM_API aclError aclrtDestroyStream(aclrtStream stream) {
    sim_called();
    return destroy("aclrtDestroyStream", stream, false);
}

SIM_API aclError aclrtDestroyStreamForce(aclrtStream stream) {
    sim_called();
    return destroy("aclrtDestroyStreamForce", stream, true);
}

static aclError synchronise(const char *function, aclrtStream stream, int milliseconds) {
    sim_stream *found = sim_use_stream(stream, function);
    if (!found) return use_error(stream);
    int wrong = sim_check_not_capturing(function, found);
    return wrong ? wrong : sim_stream_wait(found, milliseconds, function);
}

SIM_API aclError aclrtSynchronizeStream(aclrtStream stream) {
    sim_called();
    return synchronise("aclrtSynchronizeStream", stream, -1);
}

SIM_API aclError aclrtSynchronizeStreamWithTimeout(aclrtStream stream, int32_t timeout) {
    sim_called();
    /* The header says that 0 polls; the implementation rejects it (api_error.cc). */
    if (timeout < -1 || timeout == 0)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "a timeout is -1 or positive", "src/runtime/api/impl/api_error.cc",
                        "aclrtSynchronizeStreamWithTimeout(%d)", timeout);
    return synchronise("aclrtSynchronizeStreamWithTimeout", stream, timeout);
}

SIM_API aclError aclrtStreamQuery(aclrtStream stream, aclrtStreamStatus *status) {
    sim_called();
    sim_stream *found = sim_use_stream(stream, "aclrtStreamQuery");
    if (!found) return use_error(stream);
    if (!status) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", DOCS " aclrtStreamQuery", "aclrtStreamQuery with a null pointer");
    int wrong = sim_check_not_capturing("aclrtStreamQuery", found);
    if (!wrong) *status = sim_stream_idle(found) ? ACL_STREAM_STATUS_COMPLETE : ACL_STREAM_STATUS_NOT_READY;
    return wrong;
}

#if HENG_SIM_HEAD

SIM_API aclError aclrtStreamAbort(aclrtStream stream) {
    sim_called();
    sim_stream *found = sim_use_stream(stream, "aclrtStreamAbort");
    if (!found) return use_error(stream);
    pthread_mutex_lock(&found->lock);
    found->aborted = true;
    pthread_mutex_unlock(&found->lock);
    int result = sim_stream_wait(found, -1, "aclrtStreamAbort");
    pthread_mutex_lock(&found->lock);
    found->aborted = false;
    pthread_mutex_unlock(&found->lock);
    return result;
}

SIM_API aclError aclrtStreamGetId(aclrtStream stream, int32_t *streamId) {
    sim_called();
    sim_stream *found = sim_use_stream(stream, "aclrtStreamGetId");
    if (!found) return use_error(stream);
    if (!streamId) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtStreamGetId with a null pointer");
    *streamId = found->id;
    return 0;
}

typedef struct {
    sim_task task;
    aclrtHostFunc function;
    void *arguments;
} host_task;

static int run_host(sim_task *task) {
    host_task *host = (host_task *)task;
    host->function(host->arguments);
    return 0;
}

static void drop_host(sim_task *task) {
    free(task);
}

SIM_API aclError aclrtLaunchHostFunc(aclrtStream stream, aclrtHostFunc fn, void *args) {
    sim_called();
    sim_stream *found = sim_use_stream(stream, "aclrtLaunchHostFunc");
    if (!found) return use_error(stream);
    if (!fn) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtLaunchHostFunc with a null function");
    host_task *host = calloc(1, sizeof *host);
    host->task.run = run_host;
    host->task.drop = drop_host;
    host->task.name = "aclrtLaunchHostFunc";
    host->function = fn;
    host->arguments = args;
    return sim_enqueue(found, &host->task);
}

#endif

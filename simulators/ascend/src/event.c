/*
 * Events. Three constructors with three sets of rules: hicann/runtime@681ef7610df1 docs/zh/api_ref aclrtCreateEvent, aclrtCreateEventWithFlag,
 * aclrtCreateEventExWithFlag.
 */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define DOCS "docs/zh/api_ref"

typedef enum { PLAIN, WITH_FLAG, EX } kind;

typedef struct sim_event {
    kind kind;
    uint32_t flag;
    long recorded, completed; /* how often a record was queued, and has run */
    double seconds;           /* when the last record ran */
    struct sim_event *next;
} sim_event;

static sim_event *events;
static pthread_mutex_t event_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t event_done = PTHREAD_COND_INITIALIZER;

static bool known(const void *handle) {
    for (sim_event *e = events; e; e = e->next)
        if (e == handle) return true;
    return false;
}

static sim_event *use(aclrtEvent event, const char *function, int *error) {
    *error = sim_check_ready(function);
    if (*error) return 0;
    pthread_mutex_lock(&event_lock);
    bool valid = known(event);
    pthread_mutex_unlock(&event_lock);
    if (!valid) *error = sim_fail(ACL_ERROR_RT_INVALID_HANDLE, "an event is a live one", DOCS " aclrtCreateEvent", "%s of event %p", function, event);
    return valid ? event : 0;
}

static aclError create(const char *function, aclrtEvent *result, kind of, uint32_t flag) {
    if (!sim_current(function)) return ACL_ERROR_RT_CONTEXT_NULL;
    if (!result) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", DOCS " aclrtCreateEvent", "%s(null)", function);
    if (of != PLAIN && !flag)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "a flag names at least one use", DOCS " aclrtCreateEventWithFlag", "%s with flag 0", function);
    pthread_mutex_lock(&sim_lock);
    bool full = sim_count.events >= 65536;
    if (!full) sim_count.events++;
    pthread_mutex_unlock(&sim_lock);
    if (full) return sim_fail(ACL_ERROR_RT_NO_EVENT_RESOURCE, "at most 65536 events", DOCS " aclrtCreateEvent", "%s: 65536 events exist", function);
    sim_event *event = calloc(1, sizeof *event);
    event->kind = of;
    event->flag = flag;
    pthread_mutex_lock(&event_lock);
    event->next = events;
    events = event;
    pthread_mutex_unlock(&event_lock);
    *result = event;
    return 0;
}

SIM_API aclError aclrtCreateEvent(aclrtEvent *event) {
    sim_called();
    return create("aclrtCreateEvent", event, PLAIN, ACL_EVENT_SYNC | ACL_EVENT_TIME_LINE);
}

SIM_API aclError aclrtCreateEventWithFlag(aclrtEvent *event, uint32_t flag) {
    sim_called();
    return create("aclrtCreateEventWithFlag", event, WITH_FLAG, flag);
}

SIM_API aclError aclrtCreateEventExWithFlag(aclrtEvent *event, uint32_t flag) {
    sim_called();
    return create("aclrtCreateEventExWithFlag", event, EX, flag);
}

SIM_API aclError aclrtDestroyEvent(aclrtEvent event) {
    sim_called();
    int error;
    sim_event *mine = use(event, "aclrtDestroyEvent", &error);
    if (!mine) return error;
    pthread_mutex_lock(&event_lock);
    bool pending = mine->completed < mine->recorded;
    if (!pending)
        for (sim_event **link = &events; *link; link = &(*link)->next)
            if (*link == mine) {
                *link = mine->next;
                break;
            }
    pthread_mutex_unlock(&event_lock);
    if (pending)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "an event is destroyed when its records are done", DOCS " aclrtDestroyEvent",
                        "aclrtDestroyEvent of %p, whose record is still queued", event);
    free(mine);
    pthread_mutex_lock(&sim_lock);
    sim_count.events--;
    pthread_mutex_unlock(&sim_lock);
    return 0;
}

typedef struct {
    sim_task task;
    sim_event *event;
    long target;
    bool reset;
} event_task;

static void drop_event(sim_task *task) {
    free(task);
}

static int run_record(sim_task *task) {
    event_task *record = (event_task *)task;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&event_lock);
    if (record->reset) {
        record->event->completed = record->event->recorded = 0;
    } else {
        record->event->completed = record->target > record->event->completed ? record->target : record->event->completed;
        record->event->seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    pthread_cond_broadcast(&event_done);
    pthread_mutex_unlock(&event_lock);
    return 0;
}

static int run_wait(sim_task *task) {
    event_task *wait = (event_task *)task;
    pthread_mutex_lock(&event_lock);
    while (wait->event->completed < wait->target) pthread_cond_wait(&event_done, &event_lock);
    pthread_mutex_unlock(&event_lock);
    return 0;
}

static aclError queue(aclrtEvent event, aclrtStream stream, const char *function, int (*run)(sim_task *), bool reset) {
    int error;
    sim_event *mine = use(event, function, &error);
    if (!mine) return error;
    sim_stream *target = sim_use_stream(stream, function);
    if (!target) return ACL_ERROR_RT_STREAM_CONTEXT;
    event_task *task = calloc(1, sizeof *task);
    task->task.run = run;
    task->task.drop = drop_event;
    task->task.name = function;
    task->event = mine;
    task->reset = reset;
    pthread_mutex_lock(&event_lock);
    if (run == run_record && !reset) mine->recorded++;
    task->target = mine->recorded;
    pthread_mutex_unlock(&event_lock);
    return sim_enqueue(target, &task->task);
}

SIM_API aclError aclrtRecordEvent(aclrtEvent event, aclrtStream stream) {
    sim_called();
    return queue(event, stream, "aclrtRecordEvent", run_record, false);
}

SIM_API aclError aclrtStreamWaitEvent(aclrtStream stream, aclrtEvent event) {
    sim_called();
    int error;
    sim_event *mine = use(event, "aclrtStreamWaitEvent", &error);
    if (!mine) return error;
    if (mine->kind == WITH_FLAG && !(mine->flag & ACL_EVENT_SYNC))
        return sim_fail(ACL_ERROR_RT_FEATURE_NOT_SUPPORT, "only events with ACL_EVENT_SYNC order streams", DOCS " aclrtCreateEventWithFlag",
                        "aclrtStreamWaitEvent of an event made with flag 0x%x", mine->flag);
    return queue(event, stream, "aclrtStreamWaitEvent", run_wait, false);
}

SIM_API aclError aclrtResetEvent(aclrtEvent event, aclrtStream stream) {
    sim_called();
    int error;
    sim_event *mine = use(event, "aclrtResetEvent", &error);
    if (!mine) return error;
    if (mine->kind != WITH_FLAG || !(mine->flag & ACL_EVENT_SYNC))
        return sim_fail(ACL_ERROR_RT_FEATURE_NOT_SUPPORT, "only events of aclrtCreateEventWithFlag with ACL_EVENT_SYNC are reset",
                        DOCS " aclrtCreateEvent", "aclrtResetEvent of an event of another kind");
    return queue(event, stream, "aclrtResetEvent", run_record, true);
}

static aclError wait(aclrtEvent event, int milliseconds, const char *function) {
    int error;
    sim_event *mine = use(event, function, &error);
    if (!mine) return error;
    error = sim_check_not_capturing(function, 0);
    if (error) return error;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    int late = 0;
    pthread_mutex_lock(&event_lock);
    while (mine->completed < mine->recorded && late != ETIMEDOUT)
        late = milliseconds < 0 ? pthread_cond_wait(&event_done, &event_lock) : pthread_cond_timedwait(&event_done, &event_lock, &until);
    bool done = mine->completed >= mine->recorded;
    pthread_mutex_unlock(&event_lock);
    return done ? 0 : sim_fail(507046, "waiting ends after the timeout", DOCS " aclrtSynchronizeEventWithTimeout", "%s: not done in %d ms", function, milliseconds);
}

SIM_API aclError aclrtSynchronizeEvent(aclrtEvent event) {
    sim_called();
    return wait(event, -1, "aclrtSynchronizeEvent");
}

#if HENG_SIM_HEAD
SIM_API aclError aclrtSynchronizeEventWithTimeout(aclrtEvent event, int32_t timeout) {
    sim_called();
    return wait(event, timeout, "aclrtSynchronizeEventWithTimeout");
}
#endif

SIM_API aclError aclrtQueryEventStatus(aclrtEvent event, aclrtEventRecordedStatus *status) {
    sim_called();
    int error;
    sim_event *mine = use(event, "aclrtQueryEventStatus", &error);
    if (!mine) return error;
    if (!status) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtQueryEventStatus with a null pointer");
    error = sim_check_not_capturing("aclrtQueryEventStatus", 0);
    if (error) return error;
    pthread_mutex_lock(&event_lock);
    /* Before the first record the event of aclrtCreateEventExWithFlag is complete, the others are not. */
    bool done = mine->recorded ? mine->completed >= mine->recorded : mine->kind == EX;
    pthread_mutex_unlock(&event_lock);
    *status = done ? ACL_EVENT_RECORDED_STATUS_COMPLETE : ACL_EVENT_RECORDED_STATUS_NOT_READY;
    return 0;
}

SIM_API aclError aclrtEventElapsedTime(float *ms, aclrtEvent startEvent, aclrtEvent endEvent) {
    sim_called();
    int error;
    sim_event *start = use(startEvent, "aclrtEventElapsedTime", &error);
    if (!start) return error;
    sim_event *end = use(endEvent, "aclrtEventElapsedTime", &error);
    if (!end) return error;
    if (!ms) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtEventElapsedTime with a null pointer");
    if (start->kind == EX || end->kind == EX || !(start->flag & end->flag & ACL_EVENT_TIME_LINE))
        return sim_fail(ACL_ERROR_RT_FEATURE_NOT_SUPPORT, "times come from aclrtCreateEvent, or WithFlag with ACL_EVENT_TIME_LINE",
                        DOCS " aclrtEventElapsedTime", "aclrtEventElapsedTime of events that keep no time");
    pthread_mutex_lock(&event_lock);
    bool ready = start->recorded && end->recorded && start->completed == start->recorded && end->completed == end->recorded;
    double elapsed = 1e3 * (end->seconds - start->seconds);
    pthread_mutex_unlock(&event_lock);
    if (!ready)
        return sim_fail(ACL_ERROR_RT_EVENT_TIMESTAMP_INVALID, "both events have happened", DOCS " aclrtEventElapsedTime",
                        "aclrtEventElapsedTime before both events were reached");
    if (elapsed < 0)
        return sim_fail(ACL_ERROR_RT_EVENT_TIMESTAMP_REVERSAL, "start comes before end", DOCS " aclrtEventElapsedTime", "the end is %g ms before the start",
                        -elapsed);
    *ms = (float)elapsed;
    return 0;
}

/* The environment, and the words for errors. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sim_counters sim_count;
pthread_mutex_t sim_lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local char recent[2048];
static _Thread_local char handed_out[2048];
static _Thread_local int last_error;

static sim_config config;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtol(text, 0, 0) : otherwise;
}

static void read_environment(void) {
    const char *soc = getenv("HENG_SIMULATE_SOC");
    config.soc = soc && *soc ? soc : "a2";
    /* hicann/opbase src/nnopbase/composite_op/utils/platform.cpp tells the platforms by these beginnings. */
    if (!strcmp(config.soc, "a2")) config.soc_name = "Ascend910B3";
    else if (!strcmp(config.soc, "a3")) config.soc_name = "Ascend910_9391";
    else if (!strcmp(config.soc, "950")) config.soc_name = "Ascend950PR_9589";
    else if (!strcmp(config.soc, "310p")) config.soc_name = "Ascend310P3";
    else config.soc_name = 0;
    config.devices = (int)number("HENG_SIMULATE_DEVICES", 1);
    config.memory = (size_t)number("HENG_SIMULATE_MEMORY", 4L << 30);
    config.delay = (unsigned)number("HENG_SIMULATE_DELAY_US", 0);
    config.seed = (unsigned)number("HENG_SIMULATE_SEED", 1);
    config.stub = number("HENG_SIMULATE_STUB", 0) != 0;
    config.fail_allocation = (int)number("HENG_SIMULATE_FAIL_ALLOCATION", 0);
    config.lose_device = (int)number("HENG_SIMULATE_LOSE_DEVICE", 0);
}

const sim_config *sim_configuration(void) {
    pthread_once(&once, read_environment);
    return &config;
}

/* For tests, since the environment of a running process is not theirs to change. Not part of the vendor's interface. */
SIM_API void heng_sim_set(const char *name, const char *value) {
    sim_configuration();
    pthread_mutex_lock(&sim_lock);
    setenv(name, value, 1);
    read_environment();
    sim_count.tasks = sim_count.allocation_calls = 0;
    pthread_mutex_unlock(&sim_lock);
}

int sim_fail(int code, const char *rule, const char *source, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char what[1024];
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(recent, sizeof recent, "SIMULATED %d: %s [rule: %s; source: %s]", code, what, rule, source);
    last_error = code;
    return code;
}

SIM_API const char *aclGetRecentErrMsg(void) {
    /* Returns and clears; the text lives until the thread's next call (docs/zh/api_ref, aclGetRecentErrMsg). */
    if (!recent[0]) return 0;
    memcpy(handed_out, recent, sizeof recent);
    recent[0] = 0;
    return handed_out;
}

#if HENG_SIM_HEAD
SIM_API aclError aclrtPeekAtLastError(aclrtLastErrLevel level) {
    return level == ACL_RT_THREAD_LEVEL ? last_error : ACL_ERROR_RT_PARAM_INVALID;
}

SIM_API aclError aclrtGetLastError(aclrtLastErrLevel level) {
    if (level != ACL_RT_THREAD_LEVEL) return ACL_ERROR_RT_PARAM_INVALID;
    int code = last_error;
    last_error = 0;
    return code;
}
#endif

void sim_called(void) {
    __atomic_fetch_add(&sim_count.host_calls, 1, __ATOMIC_RELAXED);
}

/* Handles that were destroyed are kept for a while, so that a later use is seen instead of crashing. */
void sim_retire(void *handle) {
    enum { KEPT = 8192 };
    static void *kept[KEPT];
    static int at;
    pthread_mutex_lock(&sim_lock);
    void *oldest = kept[at];
    kept[at] = handle;
    at = (at + 1) % KEPT;
    pthread_mutex_unlock(&sim_lock);
    free(oldest);
}

/* For tests: reads the counters by name; -1 if there is none. Not part of the vendor's interface. */
SIM_API long heng_sim_counter(const char *name) {
    static const struct { const char *name; const long *value; } counters[] = {
        {"device_allocations", &sim_count.device_allocations}, {"device_bytes", &sim_count.device_bytes},
        {"peak_device_bytes", &sim_count.peak_device_bytes}, {"host_allocations", &sim_count.host_allocations},
        {"host_bytes", &sim_count.host_bytes}, {"streams", &sim_count.streams}, {"events", &sim_count.events},
        {"contexts", &sim_count.contexts}, {"graphs", &sim_count.graphs}, {"tasks", &sim_count.tasks},
        {"copies_to_device_bytes", &sim_count.copies_to_device_bytes}, {"copies_to_host_bytes", &sim_count.copies_to_host_bytes},
        {"synchronisations", &sim_count.synchronisations}, {"allocation_calls", &sim_count.allocation_calls},
        {"kernels", &sim_count.kernels}, {"contiguous_kernels", &sim_count.contiguous_kernels},
        {"operator_launches", &sim_count.operator_launches}, {"graph_launches", &sim_count.graph_launches}};
    if (!strcmp(name, "host_calls")) return __atomic_load_n(&sim_count.host_calls, __ATOMIC_RELAXED);
    long value = -1;
    pthread_mutex_lock(&sim_lock);
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        if (!strcmp(counters[i].name, name)) value = *counters[i].value;
    pthread_mutex_unlock(&sim_lock);
    return value;
}

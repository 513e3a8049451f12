/* Start, version, devices, contexts. Source: hicann/runtime@681ef7610df1 docs/zh/api_ref, src/runtime/api/impl/api_error.cc. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT_MAGIC 0xC0117E87u
#define MAX_DEVICES 16

static int references;
static char configuration_path[4096];
static sim_context *contexts;
static sim_context *defaults[MAX_DEVICES];
static long device_users[MAX_DEVICES];
static _Thread_local sim_context *current;

bool sim_initialised(void) {
    return references > 0;
}

int sim_check_ready(const char *function) {
    if (sim_configuration()->stub)
        return sim_fail(ACL_ERROR_COMPILING_STUB_MODE, "stub libraries answer nothing", "acl_base_rt.h",
                        "%s was called in the stub libraries of a toolkit: no driver is installed", function);
    if (!sim_configuration()->soc_name)
        return sim_fail(ACL_ERROR_INVALID_PARAM, "a SoC profile is a2, a3, 950 or 310p", "the simulator",
                        "HENG_SIMULATE_SOC is '%s'", sim_configuration()->soc);
    if (!references)
        return sim_fail(ACL_ERROR_UNINITIALIZE, "aclInit comes first", "docs/zh/api_ref aclInit", "%s was called before aclInit", function);
    return 0;
}

SIM_API aclError aclInit(const char *configPath) {
    sim_called();
    if (sim_configuration()->stub || !sim_configuration()->soc_name) return sim_check_ready("aclInit");
    const char *path = configPath ? configPath : "";
    pthread_mutex_lock(&sim_lock);
    bool again = references > 0, same = !strcmp(path, configuration_path);
    if (!again) snprintf(configuration_path, sizeof configuration_path, "%s", path);
    if (!again || same) references++;
    pthread_mutex_unlock(&sim_lock);
    if (again && !same)
        return sim_fail(ACL_ERROR_INVALID_PARAM, "one configuration for a process", "docs/zh/api_ref aclInit",
                        "aclInit('%s') after aclInit('%s')", path, configuration_path);
    if (again)
        return sim_fail(ACL_ERROR_REPEAT_INITIALIZE, "repeated aclInit counts and says so", "docs/zh/api_ref aclInit", "aclInit was called again");
    return 0;
}

static aclError finalise(void) {
    if (!references)
        return sim_fail(ACL_ERROR_REPEAT_FINALIZE, "aclFinalize once", "docs/zh/api_ref aclFinalize", "aclFinalize without aclInit");
    references = 0;
    return 0;
}

SIM_API aclError aclFinalize(void) {
    sim_called();
    pthread_mutex_lock(&sim_lock);
    aclError result = finalise();
    pthread_mutex_unlock(&sim_lock);
    return result;
}

SIM_API const char *aclrtGetSocName(void) {
    sim_called();
    return sim_check_ready("aclrtGetSocName") ? 0 : sim_configuration()->soc_name;
}

SIM_API aclError aclrtGetVersion(int32_t *majorVersion, int32_t *minorVersion, int32_t *patchVersion) {
    sim_called();
    if (!majorVersion || !minorVersion || !patchVersion)
        return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtGetVersion with a null pointer");
    *majorVersion = 1;
    *minorVersion = HENG_SIM_HEAD ? 17 : 3;
    *patchVersion = 0;
    return 0;
}

SIM_API size_t aclDataTypeSize(aclDataType dataType) {
    /* hicann/runtime src/acl/aclrt_impl/data_buffer.cpp: int4 answers 1, unknown types fall to 8. */
    switch (dataType) {
        case ACL_INT8: case ACL_UINT8: case ACL_BOOL: case ACL_INT4: return 1;
        case ACL_FLOAT16: case ACL_BF16: case ACL_INT16: case ACL_UINT16: return 2;
        case ACL_FLOAT: case ACL_INT32: case ACL_UINT32: return 4;
#if HENG_SIM_HEAD
        case ACL_FLOAT8_E5M2: case ACL_FLOAT8_E4M3FN: case ACL_FLOAT8_E8M0: return 1;
#endif
        case ACL_INT64: case ACL_UINT64: case ACL_DOUBLE: return 8;
        case ACL_DT_UNDEFINED: return 0;
    }
    return 8;
}

SIM_API aclError aclrtGetDeviceCount(uint32_t *count) {
    sim_called();
    int ready = sim_check_ready("aclrtGetDeviceCount");
    if (ready) return ready;
    if (!count) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtGetDeviceCount(null)");
    *count = (uint32_t)sim_configuration()->devices;
    return 0;
}

SIM_API aclError aclrtGetRunMode(aclrtRunMode *runMode) {
    sim_called();
    int ready = sim_check_ready("aclrtGetRunMode");
    if (ready) return ready;
    if (!runMode) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtGetRunMode(null)");
    *runMode = ACL_HOST;
    return 0;
}

static int check_device(const char *function, int32_t device) {
    int ready = sim_check_ready(function);
    if (ready) return ready;
    if (device < 0 || device >= sim_configuration()->devices || device >= MAX_DEVICES)
        return sim_fail(ACL_ERROR_RT_INVALID_DEVICEID, "devices are 0..count-1", "docs/zh/api_ref aclrtSetDevice",
                        "%s(%d), but there are %d devices", function, device, sim_configuration()->devices);
    return 0;
}

static sim_context *new_context(int device, bool is_default) {
    sim_context *context = calloc(1, sizeof *context);
    context->magic = CONTEXT_MAGIC;
    context->device = device;
    context->is_default = is_default;
    context->default_stream = sim_stream_new(context, true);
    context->next = contexts;
    contexts = context;
    sim_count.contexts++;
    return context;
}

static bool is_context(const void *handle) {
    for (sim_context *c = contexts; c; c = c->next)
        if (c == handle) return true;
    return false;
}

static void free_context(sim_context *context) {
    for (sim_context **link = &contexts; *link; link = &(*link)->next)
        if (*link == context) {
            *link = context->next;
            break;
        }
    sim_count.contexts--;
    pthread_mutex_unlock(&sim_lock);
    sim_stream_free(context->default_stream);
    pthread_mutex_lock(&sim_lock);
    context->magic = 0;
    free(context);
}

SIM_API aclError aclrtSetDevice(int32_t deviceId) {
    sim_called();
    int wrong = check_device("aclrtSetDevice", deviceId);
    if (wrong) return wrong;
    pthread_mutex_lock(&sim_lock);
    if (!defaults[deviceId]) defaults[deviceId] = new_context(deviceId, true);
    device_users[deviceId]++;
    current = defaults[deviceId];
    pthread_mutex_unlock(&sim_lock);
    return 0;
}

SIM_API aclError aclrtResetDevice(int32_t deviceId) {
    sim_called();
    int wrong = check_device("aclrtResetDevice", deviceId);
    if (wrong) return wrong;
    pthread_mutex_lock(&sim_lock);
    if (device_users[deviceId] > 0 && --device_users[deviceId] == 0 && defaults[deviceId]) {
        sim_context *gone = defaults[deviceId];
        defaults[deviceId] = 0;
        if (current == gone) current = 0;
        free_context(gone);
    }
    pthread_mutex_unlock(&sim_lock);
    return 0;
}

sim_context *sim_current(const char *function) {
    if (sim_check_ready(function)) return 0;
    pthread_mutex_lock(&sim_lock);
    bool valid = current && is_context(current);
    pthread_mutex_unlock(&sim_lock);
    if (!valid) {
        sim_fail(ACL_ERROR_RT_CONTEXT_NULL, "a thread has no context until aclrtSetDevice or aclrtSetCurrentContext",
                 "docs/zh/api_ref aclrtSetDevice", "%s was called by a thread without a context", function);
        return 0;
    }
    return current;
}

SIM_API aclError aclrtGetDevice(int32_t *deviceId) {
    sim_called();
    sim_context *context = sim_current("aclrtGetDevice");
    if (!context) return ACL_ERROR_RT_CONTEXT_NULL;
    if (!deviceId) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtGetDevice(null)");
    *deviceId = context->device;
    return 0;
}

SIM_API aclError aclrtCreateContext(aclrtContext *context, int32_t deviceId) {
    sim_called();
    int wrong = check_device("aclrtCreateContext", deviceId);
    if (wrong) return wrong;
    if (!context) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtCreateContext(null)");
    pthread_mutex_lock(&sim_lock);
    current = new_context(deviceId, false);
    *context = current;
    pthread_mutex_unlock(&sim_lock);
    return 0;
}

SIM_API aclError aclrtDestroyContext(aclrtContext context) {
    sim_called();
    int ready = sim_check_ready("aclrtDestroyContext");
    if (ready) return ready;
    pthread_mutex_lock(&sim_lock);
    sim_context *given = context;
    bool valid = is_context(context) && !given->is_default;
    if (valid) {
        if (current == given) current = 0;
        free_context(given);
    }
    pthread_mutex_unlock(&sim_lock);
    return valid ? 0
                 : sim_fail(ACL_ERROR_RT_CONTEXT_NULL, "only a live context of aclrtCreateContext is destroyed", "docs/zh/api_ref aclrtDestroyContext",
                            "aclrtDestroyContext of %p", context);
}

SIM_API aclError aclrtSetCurrentContext(aclrtContext context) {
    sim_called();
    int ready = sim_check_ready("aclrtSetCurrentContext");
    if (ready) return ready;
    pthread_mutex_lock(&sim_lock);
    bool valid = is_context(context);
    if (valid) current = context;
    pthread_mutex_unlock(&sim_lock);
    return valid ? 0
                 : sim_fail(ACL_ERROR_RT_CONTEXT_NULL, "a current context is a live one", "docs/zh/api_ref aclrtSetCurrentContext",
                            "aclrtSetCurrentContext(%p)", context);
}

SIM_API aclError aclrtGetCurrentContext(aclrtContext *context) {
    sim_called();
    sim_context *mine = sim_current("aclrtGetCurrentContext");
    if (!mine) return ACL_ERROR_RT_CONTEXT_NULL;
    if (!context) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtGetCurrentContext(null)");
    *context = mine;
    return 0;
}

SIM_API aclError aclrtSynchronizeDevice(void) {
    sim_called();
    sim_context *context = sim_current("aclrtSynchronizeDevice");
    return context ? sim_wait_all(context, -1, "aclrtSynchronizeDevice") : ACL_ERROR_RT_CONTEXT_NULL;
}

#if HENG_SIM_HEAD

SIM_API aclError aclrtSynchronizeDeviceWithTimeout(int32_t timeout) {
    sim_called();
    sim_context *context = sim_current("aclrtSynchronizeDeviceWithTimeout");
    return context ? sim_wait_all(context, timeout, "aclrtSynchronizeDeviceWithTimeout") : ACL_ERROR_RT_CONTEXT_NULL;
}

SIM_API aclError aclFinalizeReference(uint64_t *refCount) {
    sim_called();
    pthread_mutex_lock(&sim_lock);
    if (references > 0) references--;
    if (refCount) *refCount = (uint64_t)references;
    pthread_mutex_unlock(&sim_lock);
    return 0;
}

SIM_API aclError aclsysGetVersionStr(char *pkgName, char *versionStr) {
    sim_called();
    if (!pkgName || !versionStr) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclsysGetVersionStr with a null pointer");
    snprintf(versionStr, 128, "%s", "9.2.0-simulated");
    return 0;
}

SIM_API aclError aclsysGetVersionNum(char *pkgName, int32_t *versionNum) {
    sim_called();
    if (!pkgName || !versionNum) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclsysGetVersionNum with a null pointer");
    *versionNum = 90200000;
    return 0;
}

SIM_API aclError aclsysGetCANNVersion(aclCANNPackageName name, aclCANNPackageVersion *version) {
    sim_called();
    (void)name;
    if (!version) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclsysGetCANNVersion(null)");
    memset(version, 0, sizeof *version);
    snprintf(version->version, sizeof version->version, "%s", "9.2.0-simulated");
    return 0;
}

SIM_API aclError aclrtGetDeviceInfo(uint32_t deviceId, aclrtDevAttr attr, int64_t *value) {
    sim_called();
    int wrong = check_device("aclrtGetDeviceInfo", (int32_t)deviceId);
    if (wrong) return wrong;
    if (!value) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtGetDeviceInfo with a null pointer");
    switch (attr) {
        case ACL_DEV_ATTR_AICORE_CORE_NUM: case ACL_DEV_ATTR_CUBE_CORE_NUM: *value = 1; return 0;
        case ACL_DEV_ATTR_VECTOR_CORE_NUM: *value = 1; return 0;
        case ACL_DEV_ATTR_TOTAL_GLOBAL_MEM_SIZE: *value = (int64_t)sim_configuration()->memory; return 0;
        case ACL_DEV_ATTR_L2_CACHE_SIZE: *value = 0; return 0;
    }
    return sim_fail(ACL_ERROR_RT_FEATURE_NOT_SUPPORT, "only known attributes", "acl_rt.h aclrtDevAttr", "aclrtGetDeviceInfo of attribute %d", (int)attr);
}

/* Parameters of a thread's system: a value set once counts for what the thread compiles later. */
static _Thread_local int64_t parameters[4];

static int check_option(aclSysParamOpt opt, const char *function) {
    return (int)opt >= 0 && (int)opt < 4 ? 0
                                         : sim_fail(ACL_ERROR_INVALID_PARAM, "options are those of aclSysParamOpt", "acl_base_rt.h", "%s of option %d",
                                                    function, (int)opt);
}

SIM_API aclError aclrtSetSysParamOpt(aclSysParamOpt opt, int64_t value) {
    sim_called();
    int wrong = check_option(opt, "aclrtSetSysParamOpt");
    if (!wrong) parameters[opt] = value;
    return wrong;
}

SIM_API aclError aclrtGetSysParamOpt(aclSysParamOpt opt, int64_t *value) {
    sim_called();
    int wrong = check_option(opt, "aclrtGetSysParamOpt");
    if (!wrong && !value) wrong = sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtGetSysParamOpt(null)");
    if (!wrong) *value = parameters[opt];
    return wrong;
}

SIM_API aclError aclrtCtxSetSysParamOpt(aclSysParamOpt opt, int64_t value) {
    sim_called();
    return sim_current("aclrtCtxSetSysParamOpt") ? aclrtSetSysParamOpt(opt, value) : ACL_ERROR_RT_CONTEXT_NULL;
}

SIM_API aclError aclrtCtxGetSysParamOpt(aclSysParamOpt opt, int64_t *value) {
    sim_called();
    return sim_current("aclrtCtxGetSysParamOpt") ? aclrtGetSysParamOpt(opt, value) : ACL_ERROR_RT_CONTEXT_NULL;
}

#endif

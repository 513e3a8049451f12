/*
 * Device and pinned host memory. Source: hicann/runtime@681ef7610df1 docs/zh/api_ref aclrtMalloc, aclrtFree, aclrtMemcpy, aclrtMemcpyAsync.
 *
 * Device memory is host memory that only this library knows as such. Fresh memory holds a NaN, freed memory another pattern and is kept for a
 * while, so that work that was queued before the free is caught when it runs. A guard stands behind every block.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_BYTES 64
#define QUARANTINE 64
#define MOST_QUARANTINED_BYTES (16 << 20) /* larger blocks keep their place in the quarantine, and not their memory */
#define DOCS "docs/zh/api_ref"

struct sim_block {
    unsigned char *base;
    size_t bytes;    /* as asked for */
    size_t capacity; /* rounded, without the guard */
    bool device;
    bool freed, released;
    sim_block *next;
};

static sim_block *blocks;
static sim_block *freed[QUARANTINE];
static int freed_at;

static void poison(unsigned char *memory, size_t bytes, uint32_t pattern) {
    for (size_t i = 0; i + 4 <= bytes; i += 4) memcpy(memory + i, &pattern, 4);
    for (size_t i = bytes & ~(size_t)3; i < bytes; i++) memory[i] = 0xC3;
}

static sim_block *holding(const void *address) {
    const unsigned char *at = address;
    for (sim_block *b = blocks; b; b = b->next)
        if (at >= b->base && at < b->base + b->capacity) return b;
    return 0;
}

static sim_block *freed_holding(const void *address) {
    const unsigned char *at = address;
    for (int i = 0; i < QUARANTINE; i++)
        if (freed[i] && at >= freed[i]->base && at < freed[i]->base + freed[i]->capacity) return freed[i];
    return 0;
}

const sim_block *sim_find_block(const void *address, size_t bytes, bool device) {
    pthread_mutex_lock(&sim_lock);
    sim_block *block = holding(address);
    bool inside = block && block->device == device && (const unsigned char *)address + bytes <= block->base + block->capacity;
    pthread_mutex_unlock(&sim_lock);
    return inside ? block : 0;
}

bool sim_is_device(const void *address) {
    return sim_find_block(address, 0, true) != 0;
}

bool sim_is_pinned(const void *address) {
    return sim_find_block(address, 0, false) != 0;
}

const char *sim_device_fault(const void *address, size_t bytes) {
    if (!bytes || sim_find_block(address, bytes, true)) return 0;
    pthread_mutex_lock(&sim_lock);
    bool gone = freed_holding(address) != 0, begins = holding(address) != 0;
    pthread_mutex_unlock(&sim_lock);
    if (gone) return "the memory was freed while work that uses it was queued (aclrtFree does not wait)";
    return begins ? "the range runs past the end of its allocation" : "the address is not device memory";
}

static bool guard_intact(const sim_block *block) {
    for (int i = 0; i < GUARD_BYTES; i++)
        if (block->base[block->capacity + (size_t)i] != 0x5A) return false;
    return true;
}

int sim_check_guards(void) {
    int broken = 0;
    pthread_mutex_lock(&sim_lock);
    for (sim_block *b = blocks; b; b = b->next)
        if (!guard_intact(b)) broken++;
    pthread_mutex_unlock(&sim_lock);
    return broken;
}

SIM_API int heng_sim_check_guards(void) {
    return sim_check_guards();
}

static size_t rounded(size_t size) {
    /* ALIGN_UP(size, 32) + 32 on A2, A3 and older, ALIGN_UP(size, 32) on 950. */
    size_t up = (size + 31) & ~(size_t)31;
    return strcmp(sim_configuration()->soc, "950") ? up + 32 : up;
}

static aclError allocate(const char *function, void **result, size_t size, bool device) {
    int ready = sim_check_ready(function);
    if (ready) return ready;
    if (device && !sim_current(function)) return ACL_ERROR_RT_CONTEXT_NULL;
    if (!result) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", DOCS " aclrtMalloc", "%s with a null pointer", function);
    if (!size) return sim_fail(ACL_ERROR_INVALID_PARAM, "size 0 is invalid", DOCS " aclrtMalloc", "%s of 0 bytes", function);
    if (sim_capture_forbids_blocking() && device)
        return sim_fail(207000, "no allocation in global capture mode", DOCS " aclmdlRICaptureBegin", "%s while a stream is capturing", function);
    size_t capacity = rounded(size);
    pthread_mutex_lock(&sim_lock);
    bool refuse = false;
    size_t used = (size_t)sim_count.device_bytes;
    if (device) {
        sim_count.allocation_calls++;
        refuse = capacity > sim_configuration()->memory || used > sim_configuration()->memory - capacity
            || sim_count.allocation_calls == sim_configuration()->fail_allocation;
    }
    pthread_mutex_unlock(&sim_lock);
    if (refuse)
        return sim_fail(ACL_ERROR_RT_MEMORY_ALLOCATION, "device memory is finite", DOCS " aclrtMalloc",
                        "%s of %zu bytes: %zu of %zu bytes are in use", function, size, used, sim_configuration()->memory);
    sim_block *block = calloc(1, sizeof *block);
    block->base = aligned_alloc(64, (capacity + GUARD_BYTES + 63) & ~(size_t)63);
    if (!block->base) {
        free(block);
        return sim_fail(ACL_ERROR_RT_MEMORY_ALLOCATION, "the host's memory is finite", "the simulator", "%s of %zu bytes", function, size);
    }
    block->bytes = size;
    block->capacity = capacity;
    block->device = device;
    poison(block->base, capacity, 0x7FC07FC0u);
    memset(block->base + capacity, 0x5A, GUARD_BYTES);
    pthread_mutex_lock(&sim_lock);
    block->next = blocks;
    blocks = block;
    if (device) {
        sim_count.device_allocations++;
        sim_count.device_bytes += (long)capacity;
        if (sim_count.device_bytes > sim_count.peak_device_bytes) sim_count.peak_device_bytes = sim_count.device_bytes;
    } else {
        sim_count.host_allocations++;
        sim_count.host_bytes += (long)capacity;
    }
    pthread_mutex_unlock(&sim_lock);
    *result = block->base;
    return 0;
}

static aclError release(const char *function, void *address, bool device) {
    int ready = sim_check_ready(function);
    if (ready) return ready;
    if (!address) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", DOCS " aclrtFree", "%s(null)", function);
    pthread_mutex_lock(&sim_lock);
    sim_block *found = 0, *evicted = 0;
    for (sim_block **link = &blocks; *link; link = &(*link)->next)
        if ((*link)->base == address && (*link)->device == device) {
            found = *link;
            *link = found->next;
            break;
        }
    bool again = !found && freed_holding(address), intact = true;
    if (found) {
        intact = guard_intact(found);
        found->freed = true;
        if (found->capacity <= MOST_QUARANTINED_BYTES / QUARANTINE) poison(found->base, found->capacity, 0xDEADBEEFu);
        if (device) {
            sim_count.device_allocations--;
            sim_count.device_bytes -= (long)found->capacity;
        } else {
            sim_count.host_allocations--;
            sim_count.host_bytes -= (long)found->capacity;
        }
        evicted = freed[freed_at];
        freed[freed_at] = found;
        freed_at = (freed_at + 1) % QUARANTINE;
        if (found->capacity > MOST_QUARANTINED_BYTES / QUARANTINE) {
            free(found->base);
            found->released = true;
        }
    }
    pthread_mutex_unlock(&sim_lock);
    if (evicted) {
        if (!evicted->released) free(evicted->base);
        free(evicted);
    }
    if (!found)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, again ? "memory is freed once" : "only the base of an allocation of the same kind is freed",
                        DOCS " aclrtFree", "%s(%p)", function, address);
    if (!intact)
        return sim_fail(ACL_ERROR_RT_AICORE_EXCEPTION, "nothing writes past an allocation", "the simulator",
                        "%s(%p): the guard behind %zu bytes was overwritten", function, address, found->bytes);
    return 0;
}

SIM_API aclError aclrtMalloc(void **devPtr, size_t size, aclrtMemMallocPolicy policy) {
    sim_called();
    (void)policy;
    return allocate("aclrtMalloc", devPtr, size, true);
}

SIM_API aclError aclrtMallocAlign32(void **devPtr, size_t size, aclrtMemMallocPolicy policy) {
    sim_called();
    (void)policy;
    return allocate("aclrtMallocAlign32", devPtr, size, true);
}

SIM_API aclError aclrtFree(void *devPtr) {
    sim_called();
    return release("aclrtFree", devPtr, true);
}

SIM_API aclError aclrtMallocHost(void **hostPtr, size_t size) {
    sim_called();
    return allocate("aclrtMallocHost", hostPtr, size, false);
}

SIM_API aclError aclrtFreeHost(void *hostPtr) {
    sim_called();
    return release("aclrtFreeHost", hostPtr, false);
}

SIM_API aclError aclrtGetMemInfo(aclrtMemAttr attr, size_t *free, size_t *total) {
    sim_called();
    (void)attr;
    if (!sim_current("aclrtGetMemInfo")) return ACL_ERROR_RT_CONTEXT_NULL;
    if (!free || !total) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", "acl_rt.h", "aclrtGetMemInfo with a null pointer");
    pthread_mutex_lock(&sim_lock);
    *total = sim_configuration()->memory;
    *free = *total - (size_t)sim_count.device_bytes;
    pthread_mutex_unlock(&sim_lock);
    return 0;
}

/* A range that begins in device memory must lie in one live allocation; anything else is the caller's own host memory. */
static int check_range(const char *function, const char *side, const void *address, size_t bytes) {
    pthread_mutex_lock(&sim_lock);
    sim_block *block = holding(address);
    bool gone = !block && freed_holding(address);
    bool past = block && (const unsigned char *)address + bytes > block->base + block->capacity;
    pthread_mutex_unlock(&sim_lock);
    if (gone)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "freed memory is not used", DOCS " aclrtFree", "%s: %s %p was freed", function, side, address);
    if (past)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "a copy stays inside its allocation", DOCS " aclrtMemcpy",
                        "%s: %s %p with %zu bytes runs past the end of its allocation", function, side, address, bytes);
    return 0;
}

static int check_copy(const char *function, void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind) {
    if ((int)kind < 0 || (int)kind > 5)
        return sim_fail(ACL_ERROR_INVALID_PARAM, "kinds are 0..5", DOCS " aclrtMemcpy", "%s with kind %d", function, (int)kind);
    if (!dst || !src) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", DOCS " aclrtMemcpy", "%s with a null pointer", function);
    if (!destMax || count > destMax)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "count is at most destMax", DOCS " aclrtMemcpy", "%s of %zu bytes into %zu", function, count, destMax);
    int wrong = check_range(function, "destination", dst, count);
    return wrong ? wrong : check_range(function, "source", src, count);
}

static void count_copy(const void *dst, const void *src, size_t bytes) {
    bool to = sim_is_device(dst), from = sim_is_device(src);
    pthread_mutex_lock(&sim_lock);
    if (to && !from) sim_count.copies_to_device_bytes += (long)bytes;
    if (from && !to) sim_count.copies_to_host_bytes += (long)bytes;
    pthread_mutex_unlock(&sim_lock);
}

SIM_API aclError aclrtMemcpy(void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind) {
    sim_called();
    if (!sim_current("aclrtMemcpy")) return ACL_ERROR_RT_CONTEXT_NULL;
    if (!count || dst == src) return 0;
    int wrong = check_copy("aclrtMemcpy", dst, destMax, src, count, kind);
    if (!wrong) wrong = sim_check_not_capturing("aclrtMemcpy", 0);
    if (wrong) return wrong;
    /* It does not wait for work that is queued on streams: what it reads may be old. */
    memmove(dst, src, count);
    count_copy(dst, src, count);
    return 0;
}

typedef struct {
    sim_task task;
    void *dst;
    const void *src;
    void *staged;
    size_t bytes;
    int value;
} copy_task;

static int check_live(sim_task *task, const char *side, const void *address, size_t bytes, bool was_device) {
    if (!was_device) return 0;
    const char *fault = sim_device_fault(address, bytes);
    if (!fault) return 0;
    snprintf(task->failure, sizeof task->failure, "%s: %s %p: %s", task->name, side, address, fault);
    return ACL_ERROR_RT_AICORE_EXCEPTION;
}

static int run_copy(sim_task *task) {
    copy_task *copy = (copy_task *)task;
    const void *src = copy->staged ? copy->staged : copy->src;
    int wrong = check_live(task, "destination", copy->dst, copy->bytes, copy->value & 1);
    if (!wrong) wrong = check_live(task, "source", src, copy->bytes, copy->value & 2);
    if (!wrong) memmove(copy->dst, src, copy->bytes);
    return wrong;
}

static int run_fill(sim_task *task) {
    copy_task *fill = (copy_task *)task;
    int wrong = check_live(task, "destination", fill->dst, fill->bytes, true);
    if (!wrong) memset(fill->dst, fill->value & 0xff, fill->bytes);
    return wrong;
}

static void drop_copy(sim_task *task) {
    free(((copy_task *)task)->staged);
    free(task);
}

SIM_API aclError aclrtMemcpyAsync(void *dst, size_t destMax, const void *src, size_t count, aclrtMemcpyKind kind, aclrtStream stream) {
    sim_called();
    sim_stream *queue = sim_use_stream(stream, "aclrtMemcpyAsync");
    if (!queue) return ACL_ERROR_RT_STREAM_CONTEXT;
    if (!count || dst == src) return 0;
    int wrong = check_copy("aclrtMemcpyAsync", dst, destMax, src, count, kind);
    if (wrong) return wrong;
    bool to = sim_is_device(dst), from = sim_is_device(src);
    if (!to && !from)
        return sim_fail(ACL_ERROR_RT_FEATURE_NOT_SUPPORT, "no asynchronous copy from host to host", DOCS " aclrtMemcpyAsync",
                        "aclrtMemcpyAsync between two host addresses");
    if (to && from && (((uintptr_t)dst | (uintptr_t)src) & 63))
        return sim_fail(ACL_ERROR_RT_ADDR_UNALIGNED, "addresses on the device are aligned to 64 bytes", "acl_rt.h aclrtMemcpyAsync",
                        "aclrtMemcpyAsync from %p to %p", src, dst);
    const void *host = to ? src : dst;
    bool pageable = (to != from) && !sim_is_pinned(host);
    if (pageable && sim_stream_capturing(queue))
        return sim_fail(ACL_ERROR_RT_FEATURE_NOT_SUPPORT, "captured copies use pinned host memory", DOCS " aclmdlRICaptureBegin",
                        "aclrtMemcpyAsync with pageable host memory %p while the stream is capturing", host);
    copy_task *copy = calloc(1, sizeof *copy);
    copy->task.run = run_copy;
    copy->task.drop = drop_copy;
    copy->task.name = "aclrtMemcpyAsync";
    copy->dst = dst;
    copy->src = src;
    copy->bytes = count;
    copy->value = (to ? 1 : 0) | (from ? 2 : 0);
    count_copy(dst, src, count);
    wrong = sim_enqueue(queue, &copy->task);
    /* With pageable memory the call returns when the copy is done. */
    return wrong || !pageable ? wrong : sim_stream_wait(queue, -1, "aclrtMemcpyAsync");
}

static int check_fill(const char *function, void *memory, size_t maxCount, size_t count) {
    if (!memory) return sim_fail(ACL_ERROR_INVALID_PARAM, "no null pointers", DOCS " aclrtMemset", "%s(null)", function);
    if (count > maxCount)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "count is at most maxCount", DOCS " aclrtMemset", "%s of %zu bytes into %zu", function, count, maxCount);
    pthread_mutex_lock(&sim_lock);
    bool known = holding(memory) != 0;
    pthread_mutex_unlock(&sim_lock);
    if (!known)
        return sim_fail(ACL_ERROR_RT_PARAM_INVALID, "only memory that ACL allocated is filled", DOCS " aclrtMemset", "%s(%p)", function, memory);
    return check_range(function, "destination", memory, count);
}

SIM_API aclError aclrtMemset(void *devPtr, size_t maxCount, int32_t value, size_t count) {
    sim_called();
    if (!sim_current("aclrtMemset")) return ACL_ERROR_RT_CONTEXT_NULL;
    if (!count) return 0;
    int wrong = check_fill("aclrtMemset", devPtr, maxCount, count);
    if (!wrong) wrong = sim_check_not_capturing("aclrtMemset", 0);
    if (!wrong) memset(devPtr, value & 0xff, count);
    return wrong;
}

SIM_API aclError aclrtMemsetAsync(void *devPtr, size_t maxCount, int32_t value, size_t count, aclrtStream stream) {
    sim_called();
    sim_stream *queue = sim_use_stream(stream, "aclrtMemsetAsync");
    if (!queue) return ACL_ERROR_RT_STREAM_CONTEXT;
    if (!count) return 0;
    int wrong = check_fill("aclrtMemsetAsync", devPtr, maxCount, count);
    if (wrong) return wrong;
    copy_task *fill = calloc(1, sizeof *fill);
    fill->task.run = run_fill;
    fill->task.drop = drop_copy;
    fill->task.name = "aclrtMemsetAsync";
    fill->dst = devPtr;
    fill->bytes = count;
    fill->value = value;
    return sim_enqueue(queue, &fill->task);
}

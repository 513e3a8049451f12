// A libcuda.so.1 that runs the kernels on the host: what backend `cuda` calls of the driver, and a scheduler of fibers for blocks. Device memory is
// host memory, a stream runs at once, and a captured graph is a list. Simulated.
#include "host.h"
#include <cstdio>
#include <functional>
#include <map>
#include <string>

namespace host {
Fiber* current;
Index3 block_index, block_size, grid_size;
char* dynamic_shared;

namespace {
constexpr size_t STACK = 256 << 10;
constexpr size_t SHARED = 232448;
struct Entry { Kernel kernel; size_t bytes; };
std::map<std::string, Entry>& registry() { static std::map<std::string, Entry> all; return all; }
struct Meeting { int come = 0; long round = 0; uint64_t values[2][32]; };
std::vector<Fiber> fibers;
std::vector<Meeting> meetings;  // three a warp: all lanes, the lower and the upper half
int live, arrived;
long barrier_round, progress;
void* scheduler;
Kernel running;
const void* arguments;
}  // namespace

extern "C" void host_switch(void** save, void* load);
asm(".text\n.globl host_switch\nhost_switch:\n push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp,(%rdi)\n mov %rsi,%rsp\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n");

static void yield() { host_switch(&current->stack_pointer, scheduler); }
static void start() {
    running(arguments);
    current->done = true;
    progress++;
    live--;
    yield();
}
void barrier() {
    long mine = barrier_round;
    arrived++;
    progress++;
    while (barrier_round == mine) {
        if (arrived >= live) {
            arrived = 0;
            barrier_round++;
            break;
        }
        yield();
    }
}
const uint64_t* meet(unsigned mask, uint64_t value) {
    Meeting& m = meetings[current->warp * 3 + (mask == 0xffffffffu ? 0 : mask == 0xffffu ? 1 : 2)];
    long mine = m.round;
    m.values[mine & 1][current->lane] = value;
    progress++;
    if (++m.come == __builtin_popcount(mask)) {
        m.come = 0;
        m.round++;
    }
    while (m.round == mine) yield();
    return m.values[mine & 1];
}
void copy_async(void* to, const void* from, int size) {
    if (((uint64_t)to | (uint64_t)from) & (size - 1)) { fprintf(stderr, "host driver: misaligned copy of %d bytes\n", size); abort(); }
    if ((char*)to < dynamic_shared || (char*)to + size > dynamic_shared + SHARED) { fprintf(stderr, "host driver: copy outside shared memory\n"); abort(); }
    memset(to, 0xff, size);
    if (current->groups.empty()) current->groups.emplace_back();
    current->groups.back().push_back({to, {0, 0}, from, size});
}
void commit() {
    if (current->groups.empty()) current->groups.emplace_back();
    current->groups.emplace_back();
}
void wait_copies(int pending) {
    auto& groups = current->groups;  // the last one is not committed yet
    while ((int)groups.size() - 1 > pending) {
        for (Copy& c : groups.front()) memcpy(c.to, c.from, c.size);
        groups.erase(groups.begin());
    }
}
Registration::Registration(const char* name, Kernel kernel, size_t bytes) { registry()[name] = {kernel, bytes}; }

static void run(const std::string& name, Kernel kernel, const void* args, Index3 grid, Index3 block, int shared) {
    static char* memory = (char*)aligned_alloc(1024, SHARED);
    dynamic_shared = memory;
    grid_size = grid;
    block_size = block;
    running = kernel;
    arguments = args;
    int threads = block.x;
    if ((int)fibers.size() < threads) fibers.resize(threads);
    for (int z = 0; z < grid.z; z++) for (int y = 0; y < grid.y; y++) for (int x = 0; x < grid.x; x++) {
        block_index = {x, y, z};
        memset(memory, 0xff, shared);
        meetings.assign((threads + 31) / 32 * 3, Meeting());
        live = threads;
        arrived = 0;
        for (int i = 0; i < threads; i++) {
            Fiber& f = fibers[i];
            if (!f.stack) f.stack = (char*)aligned_alloc(64, STACK);
            f.done = false;
            f.index = {i, 0, 0};
            f.lane = i & 31;
            f.warp = i >> 5;
            f.groups.clear();
            void** top = (void**)(f.stack + STACK - 64);
            *--top = nullptr;
            *--top = (void*)start;
            for (int r = 0; r < 6; r++) *--top = nullptr;
            f.stack_pointer = top;
        }
        while (live > 0) {
            long before = progress;
            for (int i = 0; i < threads; i++) {
                if (fibers[i].done) continue;
                current = &fibers[i];
                host_switch(&scheduler, current->stack_pointer);
            }
            if (progress == before) {
                // A barrier that the living have all reached while the last one ended.
                if (arrived >= live && live > 0) continue;
                fprintf(stderr, "host driver: %s hangs in block %d,%d,%d: %d of %d at the barrier\n", name.c_str(), x, y, z, arrived, live);
                abort();
            }
        }
    }
}
}  // namespace host

using namespace host;
static std::vector<std::function<void()>>* capturing;
static void act(std::function<void()> what) { if (capturing) capturing->push_back(what); else what(); }
#define API extern "C" int
API cuInit(int) { return 0; }
API cuDriverGetVersion(int* v) { *v = 13000; return 0; }
API cuGetErrorName(int, const char** t) { *t = "HOST"; return 0; }
API cuGetErrorString(int, const char** t) { *t = "simulated driver"; return 0; }
API cuDeviceGetCount(int* n) { *n = 1; return 0; }
API cuDeviceGet(int* d, int i) { *d = i; return 0; }
API cuDeviceGetName(char* name, int length, int) { snprintf(name, length, "simulated (kernels on the host)"); return 0; }
API cuDeviceGetAttribute(int* v, int attribute, int) { *v = attribute == 75 ? 9 : attribute == 76 ? 0 : 132; return 0; }
API cuDeviceTotalMem_v2(size_t* n, int) { *n = 8ull << 30; return 0; }
API cuDevicePrimaryCtxRetain(void** c, int) { *c = (void*)1; return 0; }
API cuDevicePrimaryCtxRelease_v2(int) { return 0; }
API cuCtxSetCurrent(void*) { return 0; }
API cuMemGetInfo_v2(size_t* f, size_t* t) { *f = *t = 8ull << 30; return 0; }
API cuMemAlloc_v2(uint64_t* p, size_t n) { *p = (uint64_t)aligned_alloc(256, (n + 255) / 256 * 256); memset((void*)*p, 0xff, n); return 0; }
API cuMemFree_v2(uint64_t p) { free((void*)p); return 0; }
API cuMemHostAlloc(void** p, size_t n, int) { *p = aligned_alloc(4096, (n + 4095) / 4096 * 4096); return 0; }
API cuMemFreeHost(void* p) { free(p); return 0; }
API cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t n, void*) { act([=] { memcpy((void*)to, from, n); }); return 0; }
API cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t n, void*) { act([=] { memcpy(to, (void*)from, n); }); return 0; }
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void*) { act([=] { memmove((void*)to, (void*)from, n); }); return 0; }
API cuMemsetD8Async(uint64_t to, unsigned char v, size_t n, void*) { act([=] { memset((void*)to, v, n); }); return 0; }
API cuStreamCreate(void** s, int) { *s = (void*)1; return 0; }
API cuStreamDestroy_v2(void*) { return 0; }
API cuStreamSynchronize(void*) { return 0; }
API cuStreamBeginCapture_v2(void*, int) { capturing = new std::vector<std::function<void()>>(); return 0; }
API cuStreamEndCapture(void*, void** g) { *g = capturing; capturing = nullptr; return 0; }
API cuGraphInstantiateWithFlags(void** e, void* g, unsigned long long) { *e = new std::vector<std::function<void()>>(*(std::vector<std::function<void()>>*)g); return 0; }
API cuGraphLaunch(void* e, void*) { for (auto& f : *(std::vector<std::function<void()>>*)e) f(); return 0; }
API cuGraphDestroy(void* g) { delete (std::vector<std::function<void()>>*)g; return 0; }
API cuGraphExecDestroy(void* g) { delete (std::vector<std::function<void()>>*)g; return 0; }
API cuEventCreate(void** e, int) { *e = (void*)1; return 0; }
API cuEventRecord(void*, void*) { return 0; }
API cuEventSynchronize(void*) { return 0; }
API cuEventDestroy_v2(void*) { return 0; }
API cuEventElapsedTime(float* ms, void*, void*) { *ms = 1; return 0; }
API cuModuleLoadData(void** m, const void*) { *m = (void*)1; return 0; }
API cuModuleUnload(void*) { return 0; }
API cuModuleGetFunction(void** f, void*, const char* name) {
    auto found = registry().find(name);
    if (found == registry().end()) return 500;
    *f = (void*)&*found;
    return 0;
}
API cuFuncSetAttribute(void*, int, int value) { return value > (int)SHARED ? 1 : 0; }
API cuLaunchKernelEx(const void* config, void* function, void** parameters, void**) {
    const int* c = (const int*)config;
    auto* entry = (std::pair<const std::string, Entry>*)function;
    if (c[6] > (int)SHARED || c[3] > 1024) return 1;
    std::vector<char> copy((const char*)parameters[0], (const char*)parameters[0] + entry->second.bytes);
    Index3 grid = {c[0], c[1], c[2]}, block = {c[3], 1, 1};
    int shared = c[6];
    act([=] {
        void* aligned = aligned_alloc(64, (copy.size() + 63) / 64 * 64);
        memcpy(aligned, copy.data(), copy.size());
        run(entry->first, entry->second.kernel, aligned, grid, block, shared);
        free(aligned);
    });
    return 0;
}

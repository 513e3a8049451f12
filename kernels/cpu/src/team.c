/*
 * Threads that spin for a moment and then sleep. A decode step meets some hundreds of times, each time for less than it takes to wake
 * a sleeping thread, so a meeting spins first; but a machine may have fewer free processors than the team has threads, so it does not
 * spin for long.
 */
#define _GNU_SOURCE
#include "team.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Pauses before sleeping: about 200 microseconds within a run, where waking a processor costs more than a task takes, 100 between runs. */
#define SPINS_IN_RUN 6000
#define SPINS_BETWEEN_RUNS 3000

typedef struct worker {
    pthread_t thread;
    heng_cpu_team *team;
    int32_t index;
} worker;

struct heng_cpu_team {
    _Alignas(64) atomic_uint generation; /* counts meetings; what sleepers sleep on */
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint sleepers;
    _Alignas(64) atomic_uint run; /* counts runs; what idle workers sleep on */
    _Alignas(64) atomic_uint idle_sleepers;
    _Alignas(64) atomic_bool stop;
    heng_walk walk;
    void *context;
    const atomic_long *watched;
    bool agreed; /* the watched flag as the last to arrive saw it */
    int32_t threads;
    int32_t started;
    int32_t pin;
    int32_t caller_processor; /* -1 if the caller is not bound */
    const heng_level *level;
    worker *workers;
};

static inline void pause_once(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(atomic_uint *word, unsigned expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake_all(atomic_uint *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff, NULL, NULL, 0); }

/* Waits until *word differs from `seen`. */
static void wait_change(atomic_uint *word, unsigned seen, atomic_uint *sleepers, int spins) {
    for (int i = 0; i < spins; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != seen) return;
        pause_once();
    }
    atomic_fetch_add(sleepers, 1);
    while (atomic_load(word) == seen) futex_wait(word, seen);
    atomic_fetch_sub(sleepers, 1);
}

static void announce(atomic_uint *word, atomic_uint *sleepers) {
    atomic_fetch_add(word, 1);
    if (atomic_load(sleepers) != 0) futex_wake_all(word);
}

bool heng_team_meet(heng_cpu_team *team) {
    if (team->threads == 1) return team->watched != NULL && atomic_load(team->watched) != 0;
    unsigned seen = atomic_load_explicit(&team->generation, memory_order_acquire);
    if (atomic_fetch_add(&team->arrived, 1) + 1 == (unsigned)team->threads) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        team->agreed = team->watched != NULL && atomic_load(team->watched) != 0;
        announce(&team->generation, &team->sleepers);
    } else {
        wait_change(&team->generation, seen, &team->sleepers, SPINS_IN_RUN);
    }
    return team->agreed;
}

void heng_team_run(heng_cpu_team *team, heng_walk walk, void *context, const atomic_long *watched) {
    team->watched = watched;
    team->walk = walk;
    team->context = context;
    cpu_set_t before;
    bool bound = team->caller_processor >= 0 && sched_getaffinity(0, sizeof before, &before) == 0;
    if (bound) {
        cpu_set_t own;
        CPU_ZERO(&own);
        CPU_SET(team->caller_processor, &own);
        sched_setaffinity(0, sizeof own, &own);
    }
    if (team->threads > 1) announce(&team->run, &team->idle_sleepers);
    walk(context, 0);
    heng_team_meet(team);
    if (bound) sched_setaffinity(0, sizeof before, &before);
}

static void *work(void *argument) {
    worker *own = argument;
    heng_cpu_team *team = own->team;
    unsigned seen = 0;
    for (;;) {
        wait_change(&team->run, seen, &team->idle_sleepers, SPINS_BETWEEN_RUNS);
        seen++;
        if (atomic_load(&team->stop)) return NULL;
        team->walk(team->context, own->index);
        heng_team_meet(team);
    }
}

int32_t heng_team_threads(const heng_cpu_team *team) { return team->threads; }
const heng_level *heng_team_level(const heng_cpu_team *team) { return team->level; }
const char *heng_cpu_team_level(const heng_cpu_team *team) { return team->level->name; }
int32_t heng_cpu_team_flushes_subnormals(const heng_cpu_team *team) { return team->level->flushes_subnormals; }

void heng_cpu_team_free(heng_cpu_team *team) {
    if (team == NULL) return;
    atomic_store(&team->stop, true);
    announce(&team->run, &team->idle_sleepers);
    for (int32_t i = 0; i < team->started; i++) pthread_join(team->workers[i].thread, NULL);
    free(team->workers);
    free(team);
}

int32_t heng_cpu_team_create(int32_t threads, int32_t pin, const char *level, heng_cpu_team **result) {
    *result = NULL;
    if (threads < 1 || threads > 4096) return heng_fail(HENG_CPU_INVALID, "a team of %d threads; ask for 1 to 4096", threads);
    if (level == NULL || level[0] == 0) level = getenv("HENG_CPU_LEVEL");
    const heng_level *chosen = level == NULL || level[0] == 0 ? heng_best_level() : heng_find_level(level);
    if (chosen == NULL)
        return heng_fail(HENG_CPU_UNSUPPORTED, "level '%s' is not one of those that run here: %s", level, heng_cpu_levels());
    heng_cpu_team *team = NULL;
    if (posix_memalign((void **)&team, 64, sizeof *team) != 0) return heng_fail(HENG_CPU_OUT_OF_MEMORY, "no memory for a team");
    memset(team, 0, sizeof *team);
    team->threads = threads;
    team->pin = pin;
    team->caller_processor = -1;
    team->level = chosen;
    team->workers = calloc((size_t)threads, sizeof *team->workers);
    if (team->workers == NULL) {
        free(team);
        return heng_fail(HENG_CPU_OUT_OF_MEMORY, "no memory for %d workers", threads);
    }
    int processors[4096];
    int32_t available = 0;
    cpu_set_t allowed;
    if (pin != 0 && sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        for (int p = 0; p < CPU_SETSIZE && available < threads; p++)
            if (CPU_ISSET(p, &allowed)) processors[available++] = p;
    const bool binding = available == threads; /* fewer processors than threads: the system places them better */
    if (binding && pin == 2) team->caller_processor = processors[0];
    for (int32_t i = 0; i < threads - 1; i++) {
        worker *own = &team->workers[i];
        own->team = team;
        own->index = i + 1;
        int failure = pthread_create(&own->thread, NULL, work, own);
        if (failure != 0) {
            /* Those that were started never met: they wait for the first run, which is the end. */
            heng_cpu_team_free(team);
            return heng_fail(HENG_CPU_SYSTEM, "thread %d of %d could not be made: %s", i + 2, threads, strerror(failure));
        }
        team->started = i + 1;
        if (binding) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(processors[i + 1], &one);
            pthread_setaffinity_np(own->thread, sizeof one, &one);
        }
    }
    *result = team;
    return HENG_CPU_OK;
}

/* ---- ceilings and memory -------------------------------------------------------------------------------------------------- */

typedef struct measurement {
    heng_cpu_team *team;
    const char *data;
    int64_t bytes;
    int64_t rounds;
    atomic_long operations;
    float sinks[4096];
} measurement;

static double seconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void read_part(void *context, int32_t thread) {
    measurement *m = context;
    int64_t part = m->bytes / m->team->threads / 64 * 64;
    m->sinks[thread] = m->team->level->read(m->data + part * thread, part);
}

static void fma_part(void *context, int32_t thread) {
    measurement *m = context;
    int64_t operations = 0;
    m->sinks[thread] = m->team->level->fma_rounds(m->rounds, &operations);
    atomic_fetch_add(&m->operations, operations);
}

int32_t heng_cpu_measure_read(heng_cpu_team *team, const void *data, int64_t bytes, double *seconds) {
    if (bytes < 0 || (bytes > 0 && data == NULL)) return heng_fail(HENG_CPU_INVALID, "nothing to read");
    measurement m = {.team = team, .data = data, .bytes = bytes};
    double start = seconds_now();
    heng_team_run(team, read_part, &m, NULL);
    *seconds = seconds_now() - start;
    return HENG_CPU_OK;
}

int32_t heng_cpu_measure_fma(heng_cpu_team *team, int64_t rounds, double *flops) {
    measurement m = {.team = team, .rounds = rounds};
    double start = seconds_now();
    heng_team_run(team, fma_part, &m, NULL);
    *flops = (double)atomic_load(&m.operations) / (seconds_now() - start);
    return HENG_CPU_OK;
}

#define HUGE_PAGE (INT64_C(2) << 20)

void *heng_cpu_memory_allocate(int64_t bytes) {
    if (bytes <= 0) return NULL;
    size_t size = (size_t)heng_round_up(bytes, HUGE_PAGE);
    /* One page more than needed, so that an aligned part can be kept and the rest given back. */
    char *memory = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    char *aligned = (char *)(((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    if (aligned > memory) munmap(memory, (size_t)(aligned - memory));
    munmap(aligned + size, (size_t)(memory + HUGE_PAGE - aligned));
    madvise(aligned, size, MADV_HUGEPAGE); /* a wish: without huge pages everything still works */
    return aligned;
}

void heng_cpu_memory_free(void *memory, int64_t bytes) {
    if (memory != NULL) munmap(memory, (size_t)heng_round_up(bytes, HUGE_PAGE));
}

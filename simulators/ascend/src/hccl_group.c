/* Shared memory of a simulated group: for ranks that are threads or processes of one machine. */
#include "hccl_group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x48434C31u

static group *map(const char *name, int flags) {
    int file = shm_open(name, flags, 0600);
    if (file < 0) return 0;
    if (flags & O_CREAT && ftruncate(file, sizeof(group))) {
        close(file);
        return 0;
    }
    group *shared = mmap(0, sizeof(group), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return shared == MAP_FAILED ? 0 : shared;
}

/* Names that this process made: a group that never came together leaves nothing behind when its maker ends. */
static char made[64][64];

static void __attribute__((destructor)) forget_names(void) {
    for (int i = 0; i < 64; i++)
        if (made[i][0]) shm_unlink(made[i]);
}

group *group_create(char *name) {
    static int serial;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, 64, "/heng-hccl-%d-%d-%lx", (int)getpid(), __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED), (long)now.tv_nsec);
    group *shared = map(name, O_CREAT | O_EXCL | O_RDWR);
    if (!shared) return 0;
    snprintf(made[serial % 64], sizeof made[0], "%s", name);
    pthread_mutexattr_t mutex;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->lock, &mutex);
    pthread_condattr_t condition;
    pthread_condattr_init(&condition);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setclock(&condition, CLOCK_MONOTONIC);
    pthread_cond_init(&shared->moved, &condition);
    __atomic_store_n(&shared->magic, MAGIC, __ATOMIC_RELEASE);
    return shared;
}

group *group_open(const char *name) {
    group *shared = map(name, O_RDWR);
    if (shared && __atomic_load_n(&shared->magic, __ATOMIC_ACQUIRE) != MAGIC) {
        group_close(shared);
        return 0;
    }
    return shared;
}

void group_close(group *shared) {
    munmap(shared, sizeof *shared);
}

static void take(group *shared) {
    if (pthread_mutex_lock(&shared->lock) == EOWNERDEAD) {
        pthread_mutex_consistent(&shared->lock);
        snprintf(shared->broken, sizeof shared->broken, "a rank died while it held the group");
    }
}

/* Waits, with the lock held, until *value is no longer `before` or the group is broken. */
static void wait_while(group *shared, const long *value, long before, int limit, const char *what) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += limit / 1000;
    until.tv_nsec += limit % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    while (*value == before && !shared->broken[0])
        if (pthread_cond_timedwait(&shared->moved, &shared->lock, &until) == ETIMEDOUT && *value == before && !shared->broken[0])
            snprintf(shared->broken, sizeof shared->broken, "%s within %d ms", what, limit);
    if (shared->broken[0]) pthread_cond_broadcast(&shared->moved);
}

bool group_meet(group *shared, int rank, int limit) {
    take(shared);
    for (uint32_t i = 0; i < shared->ranks; i++)
        if (shared->members[i].left && !shared->broken[0]) snprintf(shared->broken, sizeof shared->broken, "rank %u has left the group", i);
    long generation = shared->generation;
    if (!shared->broken[0] && ++shared->arrived == (int)shared->ranks) {
        shared->arrived = 0;
        shared->generation++;
        pthread_cond_broadcast(&shared->moved);
    } else if (!shared->broken[0]) {
        char what[80];
        snprintf(what, sizeof what, "not all of the %u ranks called what rank %d did", shared->ranks, rank);
        wait_while(shared, &shared->generation, generation, limit, what);
    }
    bool fine = !shared->broken[0];
    pthread_mutex_unlock(&shared->lock);
    return fine;
}

const char *group_join(group *shared, const char *name, uint32_t ranks, uint32_t rank, int device, int limit) {
    take(shared);
    const char *wrong = 0;
    if (shared->joined && shared->ranks != ranks) wrong = "all ranks say the same number of ranks";
    if (!wrong && shared->members[rank].present) wrong = "a rank joins once";
    for (uint32_t i = 0; i < ranks && !wrong; i++)
        if (shared->members[i].present && shared->members[i].process == (int)getpid() && shared->members[i].device == device)
            wrong = "a device is one rank of a group";
    if (wrong) {
        pthread_mutex_unlock(&shared->lock);
        return wrong;
    }
    shared->ranks = ranks;
    shared->members[rank].present = true;
    shared->members[rank].process = getpid();
    shared->members[rank].device = device;
    /* When all are here nobody needs the name any more, and nothing is left behind whatever happens. */
    if (++shared->joined == (int)ranks) shm_unlink(name);
    pthread_mutex_unlock(&shared->lock);
    if (group_meet(shared, (int)rank, limit)) return 0;
    shm_unlink(name);
    return "all ranks of a group join it";
}

void group_break(group *shared, const char *format, ...) {
    take(shared);
    if (!shared->broken[0]) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(shared->broken, sizeof shared->broken, format, arguments);
        va_end(arguments);
    }
    pthread_cond_broadcast(&shared->moved);
    pthread_mutex_unlock(&shared->lock);
}

void group_leave(group *shared, int rank) {
    take(shared);
    shared->members[rank].left = true;
    pthread_cond_broadcast(&shared->moved);
    pthread_mutex_unlock(&shared->lock);
}

/* What the ranks of a simulated group share: a piece of shared memory with a place to meet and a place for data of each rank. */
#ifndef HENG_SIM_HCCL_GROUP_H
#define HENG_SIM_HCCL_GROUP_H

#include "hccl/hccl.h"
#include "sim.h"

#define GROUP_RANKS 16
#define GROUP_CHUNK (256 * 1024)

/* What a rank is about to do; all ranks have to be about to do the same. */
typedef struct {
    int kind;
    uint64_t count;
    int type, op;
    uint32_t root;
    uint64_t counts[GROUP_RANKS]; /* elements for each rank, of an exchange */
} group_call;

typedef struct {
    uint32_t magic, ranks;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int joined, arrived;
    long generation;
    struct { bool present, left; int process, device; } members[GROUP_RANKS];
    group_call calls[GROUP_RANKS];
    char broken[320]; /* why the group is of no use any more; empty if it is */
    char data[GROUP_RANKS][GROUP_CHUNK];
} group;

/* Makes a group's shared memory under a fresh name of at most 63 characters; null after sim_fail. */
group *group_create(char *name);
group *group_open(const char *name);
void group_close(group *shared);
/* Waits until all ranks are here; false if the group is broken. limit: milliseconds. */
bool group_meet(group *shared, int rank, int limit);
/* Joins as a rank, and waits for the others. Null, or what is wrong. */
const char *group_join(group *shared, const char *name, uint32_t ranks, uint32_t rank, int device, int limit);
void group_leave(group *shared, int rank);
/* Says why the group is of no use any more, unless that was said; whoever waits stops waiting. */
void group_break(group *shared, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

/* A team of threads that walk through phases of work together. */
#ifndef HENG_CPU_TEAM_H
#define HENG_CPU_TEAM_H

#include "internal.h"

#include <stdatomic.h>

/* What every thread of the team does in a run: walk(context, thread). */
typedef void (*heng_walk)(void *context, int32_t thread);

/* Runs walk on all threads, the caller being thread 0, and returns when all are done. `watched` may be null. */
void heng_team_run(heng_cpu_team *team, heng_walk walk, void *context, const atomic_long *watched);

/*
 * Waits until all threads of the team have come here, and returns whether the flag that the run watches was set by then: the same
 * answer for every thread, so that all go on or all stop.
 */
bool heng_team_meet(heng_cpu_team *team);

int32_t heng_team_threads(const heng_cpu_team *team);
const heng_level *heng_team_level(const heng_cpu_team *team);

#endif

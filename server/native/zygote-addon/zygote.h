/* What the parts of the addon have of each other. Everything runs on the main thread unless it says otherwise. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* platform.cc: Node's threads for V8, which a child does not have. */

/* Why the platform cannot be repaired in children; NULL when it can. To be asked before the first fork. */
const char *platform_unfit(void);
/* Runs and waits for what V8 has given to its threads. */
void platform_drain(void);
/* In a child: tasks go to new threads, which are made when there is work for them. */
void platform_repair(void);
/* How many of those there are. */
int platform_threads(void);
/* The process leaves with this code before Node joins threads that are not in this process. */
void platform_exit_with(int code);

/* quiet.c */

/* Waits until all other threads sleep. The number of threads, or an errno, negated: EBUSY when one keeps running. */
int quiet_threads(void);
/* Lets children have V8's heap, which it keeps from them. 0, or an errno, negated. */
int quiet_share_heap(void);

/* birth.c */

/* Signals that end a fork server while it waits for orders, whatever handlers its program has installed. */
void birth_await_signals(bool by_default);
/* A worker that is the keeper's child, in the cgroup `leaf` unless that is -1: 0 in it, with its end of the link as
 * descriptor 3, `leaf` closed and its birth told. Its pid, or an errno, negated. */
pid_t birth_worker(uv_loop_t *loop, int link, int leaf, const uint8_t id[16], uint64_t asked, int allowed_threads);
/* An ordinary child, repaired in the same way. */
pid_t birth_child(uv_loop_t *loop);
/* Its exit code, or 128 and the signal that ended it; an errno, negated, ETIMEDOUT after it was killed for taking longer. */
int birth_wait(pid_t child, int timeout_ms);

#ifdef __cplusplus
}
#endif

#ifndef FORKBUS_FORK_H
#define FORKBUS_FORK_H

#include <sys/types.h>

/*
 * Forks so that the child is not ours: its parent is the nearest subreaper above us (forkbus-keeper), as if it had been
 * orphaned already. Returns 0 in the child, the child's pid in the caller, and a negative errno where there is no child.
 *
 * `leaf` is a descriptor of the directory of the cgroup (v2) that the child is to be born in, or -1. Where that cannot be,
 * for whatever reason, it is born in the caller's.
 *
 * In the child getppid() is the keeper's from the first instruction on. Handlers of pthread_atfork run, and the caller's
 * signal mask holds in both. The caller must be single-threaded, and gets a SIGCHLD of no meaning.
 */
__attribute__((visibility("default"))) pid_t forkbus_fork(int leaf);

#endif

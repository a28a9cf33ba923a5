#ifndef FORKBUS_BIRTH_H
#define FORKBUS_BIRTH_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Forks a worker into `leaf` as forkbus_fork does, and takes its first steps: a session of its own; `id`, 32 hex digits, over those at
 * `id_in_environment` (unless NULL); `link` as descriptor 3, close-on-exec, in place of the fork server's; and `B` on it,
 * with `asked_ns`. It does so before any code of a language's runtime has run in the child, which a fork of a warm
 * interpreter is slow at. In the parent `link` and `leaf` stay open, in the child `leaf` (unless -1) is closed.
 */
__attribute__((visibility("default"))) pid_t forkbus_fork_worker(int link, int leaf, uint64_t asked_ns,
                                                                 const char *id, char *id_in_environment);

#endif

/* Kernel calls that a C library of the oldest supported system does not wrap; tests put fakes in their place. */
#ifndef FORKBUS_KEEPER_SYSCALLS_H
#define FORKBUS_KEEPER_SYSCALLS_H
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

/* Like fork, with a pidfd (close-on-exec) and, where `cgroup` is not -1, the child born in that cgroup. */
pid_t sys_clone(int *pidfd, int cgroup);
int sys_pidfd_open(pid_t pid);
int sys_pidfd_send_signal(int pidfd, int signal);
/* waitid(2) with the usage of the child; `si_pid` is 0 when there is nothing to report. */
int sys_waitid(int kind, int which, siginfo_t *info, int options, struct rusage *usage);
/* The wait status that the kernel remembers for a reaped process, through any pidfd opened before (Linux 6.15). */
bool sys_pidfd_exit_status(int pidfd, int *status);
#endif

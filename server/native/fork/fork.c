/*
 * A fork whose child belongs to the subreaper above us. A middle process forks and exits; it is made by vfork, so that it
 * borrows our memory and page tables are copied once, for the child alone. Unlike clone with CLONE_PARENT this leaves the
 * child's C library with a true thread id.
 */
#define _GNU_SOURCE
#include "fork.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the middle process leaves in our memory: it must not live in registers, which vfork gives back as they were. */
struct birth {
  volatile pid_t middle;
  volatile pid_t child;
  volatile int error;
};

/* Never inlined: vfork's second return needs a frame that the caller's code does not share. */
__attribute__((noinline)) static pid_t fork_twice(struct birth *birth) {
  pid_t middle = vfork();
  if (middle != 0) return middle;
  birth->middle = getpid();
  pid_t child = fork();
  if (child == 0) return 0;
  birth->child = child;
  if (child < 0) birth->error = errno;
  _exit(0);
}

pid_t forkbus_fork(void) {
  /* What a middle process that was killed too early leaves. */
  struct birth birth = {.middle = 0, .child = -1, .error = EINTR};
  sigset_t all, before;
  /* A handler that ran in the middle process would run in our memory, and a default action would end it. */
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  pid_t middle = fork_twice(&birth);
  if (middle == 0) {
    while (getppid() == birth.middle) sched_yield();
    sigprocmask(SIG_SETMASK, &before, NULL);
    return 0;
  }
  int error = errno;
  if (middle > 0) {
    /* It has exited, or is about to. Where SIGCHLD is ignored there is nothing to wait for, and that is as good. */
    while (waitpid(middle, NULL, 0) < 0 && errno == EINTR) continue;
    error = birth.error;
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  return birth.child > 0 ? birth.child : -error;
}

/*
 * A fork whose child belongs to the subreaper above us. A middle process forks and exits; it is made as by vfork, so that
 * it borrows our memory and page tables are copied once, for the child alone. Unlike clone with CLONE_PARENT this leaves
 * the child's C library with a true thread id. The middle process is made inside the child's cgroup, which the child
 * inherits: to move a process there later would wait for a grace period of the kernel's, ten times as long as a fork.
 */
#define _GNU_SOURCE
#include "fork.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rseq.h"

/* What the middle process leaves in our memory: it must not live in registers, which vfork gives back as they were. */
struct birth {
  volatile pid_t middle;
  volatile pid_t child;
  volatile int error;
};

/* Of <linux/sched.h>, which may be older than the kernel. */
#define INTO_CGROUP 0x200000000ULL
#define CLONE3 435
struct clone_arguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/*
 * vfork into a cgroup. A C function could not do it: the child would return from it first, and the parent then find its
 * return address overwritten. So the call itself is in the function that calls this.
 */
__attribute__((always_inline)) static inline long vfork_into(int cgroup) {
  struct clone_arguments arguments = {
      .flags = CLONE_VM | CLONE_VFORK | INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup};
#if defined(__x86_64__)
  long result = CLONE3;
  __asm__ volatile("syscall" : "+a"(result) : "D"(&arguments), "S"(sizeof arguments) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long number __asm__("x8") = CLONE3;
  register long first __asm__("x0") = (long)&arguments;
  register long second __asm__("x1") = (long)sizeof arguments;
  __asm__ volatile("svc 0" : "+r"(first) : "r"(number), "r"(second) : "memory");
  return first;
#else
  (void)arguments;
  return -ENOSYS;
#endif
}

/* The middle process. Returns in the child alone, which has a stack of its own. Never inlined: nothing that this does may
 * touch the frame of its caller, in which the parent goes on afterwards. */
__attribute__((noinline)) static void fork_child(struct birth *birth) {
  birth->middle = getpid();
  pid_t child = fork();
  if (child == 0) return;
  birth->child = child;
  if (child < 0) birth->error = errno;
  _exit(0);
}

/* 0 in the child, else the middle process, or what says that there is none. Never inlined: the second return needs its own frame. */
__attribute__((noinline)) static pid_t make_middle(struct birth *birth, int leaf) {
  pid_t middle = leaf >= 0 ? (pid_t)vfork_into(leaf) : vfork();
  if (middle == 0) fork_child(birth);
  return middle;
}

/* 0 in the child, which is still young; its pid, or an errno, negated. */
static pid_t fork_once(int leaf) {
  /* What a middle process that was killed too early leaves. */
  struct birth birth = {.middle = 0, .child = -1, .error = EINTR};
  pid_t middle = make_middle(&birth, leaf);
  if (middle == 0) {
    while (getppid() == birth.middle) sched_yield();
    return 0;
  }
  if (middle < 0) return leaf >= 0 ? middle : -errno;
  /* It has exited, or is about to. Where SIGCHLD is ignored there is nothing to wait for, and that is as good. */
  while (waitpid(middle, NULL, 0) < 0 && errno == EINTR) continue;
  return birth.child > 0 ? birth.child : -birth.error;
}

pid_t forkbus_fork(int leaf) {
  sigset_t all, before;
  /* A handler that ran in the middle process would run in our memory, and a default action would end it. */
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  pid_t child = leaf >= 0 ? fork_once(leaf) : -EBADF;
  /* Not there, for whatever reason, as that two are too many for its limits. But EINTR may have left a child. */
  if (child < 0 && child != -EINTR) child = fork_once(-1);
  if (child == 0) rseq_again();
  sigprocmask(SIG_SETMASK, &before, NULL);
  return child;
}

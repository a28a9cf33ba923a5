/* Moving a worker to other CPUs while it runs. */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MASK_BYTES 1024
#define ROUNDS 8

/* One look at its threads; how many of them were elsewhere, or -1. A thread that ends meanwhile is none. */
static int pin_threads(int tasks, const struct span *cpus)
{
  char buffer[4096] __attribute__((aligned(8))), *name;
  uint8_t type, before[MASK_BYTES], after[MASK_BYTES];
  long filled = 0, at = 0;
  int moved = 0;
  lseek(tasks, 0, SEEK_SET);
  while (next_entry(tasks, buffer, sizeof buffer, &filled, &at, &name, &type)) {
    int thread = atoi(name);
    if (thread <= 0) continue;
    memset(before, 0, sizeof before);
    memset(after, 0, sizeof after);
    syscall(SYS_sched_getaffinity, thread, sizeof before, before);
    if (syscall(SYS_sched_setaffinity, thread, cpus->length, cpus->bytes) != 0) {
      if (errno == ESRCH) continue;
      return -1;
    }
    syscall(SYS_sched_getaffinity, thread, sizeof after, after);
    moved += memcmp(before, after, sizeof before) != 0;
  }
  return moved;
}

struct pinning {
  const struct span *cpus;
  const struct slot *slot;
};

static int open_tasks(pid_t pid)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* What the worker has started. One that we may not move, as a program of another user, stays. */
static int pin_member(pid_t pid, void *argument)
{
  const struct pinning *pinning = argument;
  if (pid == pinning->slot->pid) return 0;
  int tasks = open_tasks(pid), moved = 0;
  if (tasks >= 0 && is_in_leaf(tasks, pinning->slot->id)) moved = pin_threads(tasks, pinning->cpus);
  if (tasks >= 0) close(tasks);
  return moved < 0 ? 0 : moved;
}

/*
 * Every thread of the worker's process and, where it has a leaf, of all that it has started; again while one was
 * elsewhere, which may have started another there.
 */
int pin(const struct request *request)
{
  struct slot *slot = slot_by_id(request->id);
  struct process_stat stat;
  struct pinning pinning = {&request->cpus, slot};
  if (request->cpus.length == 0 || request->cpus.length > MASK_BYTES) return EINVAL;
  if (slot == NULL || slot->state == EXITED_UNACKED) return ESRCH;
  int moved = 1, tasks = open_tasks(slot->pid);
  bool same = tasks >= 0 && read_process_stat(slot->pid, &stat) && stat.state != 'Z' && stat.state != 'X' &&
              (slot->start_ticks == 0 || stat.start_ticks == slot->start_ticks);
  int error = same ? 0 : ESRCH;
  for (int round = 0; error == 0 && round < ROUNDS && moved > 0; round++) {
    moved = pin_threads(tasks, &request->cpus);
    if (moved < 0) error = errno;
    else if (slot->leaf) moved += cgroup_each(slot, pin_member, &pinning);
  }
  if (tasks >= 0) close(tasks);
  return error;
}

/* Starting a worker: everything that can fail without a child first, then one clone3, then the child's reports. */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static int check(const struct request *request, struct start *start)
{
  if (!request->valid || request->path.length == 0 || request->path.length >= PATH_MAX) return EINVAL;
  if (request->cwd.length >= PATH_MAX) return EINVAL;
  if (K.h.stopping) return ESHUTDOWN;
  if (slot_any(request->id) != NULL) return EEXIST;
  if (!policy_resolve(request, start)) return EPERM;
  return K.used == K.max_workers ? EAGAIN : 0;
}

/* STDIN and the report pipe. Ours are non-blocking; the worker's end of stdin is an ordinary one. */
static bool open_pipes(const struct request *request, struct start *start, int *input, int *reports)
{
  int pair[2];
  start->in = K.null;
  if (request->flags & FLAG_STDIN_PIPE) {
    if (pipe2(pair, O_CLOEXEC) != 0) return false;
    start->in = pair[0];
    *input = pair[1];
    fcntl(*input, F_SETFL, O_WRONLY | O_NONBLOCK);
  }
  if (pipe2(pair, O_CLOEXEC) != 0) return false;
  start->report = pair[1];
  *reports = pair[0];
  return fcntl(*reports, F_SETFL, O_RDONLY | O_NONBLOCK) == 0;
}

static void close_start(struct start *start)
{
  if (start->in >= 0 && start->in != K.null) close(start->in);
  if (start->err >= 0 && start->err != K.null && start->err != start->out) close(start->err);
  if (start->out >= 0 && start->out != K.null) close(start->out);
  if (start->report >= 0) close(start->report);
}

static bool launch(struct slot *slot, struct start *start, int leaf)
{
  uint64_t before = clock_us(CLOCK_MONOTONIC);
  int pidfd = -1;
  pid_t pid = sys_clone(&pidfd, leaf);
  if (pid == 0) child_run(start);
  if (pid < 0) return false;
  slot->cloned_us = before;
  slot->clone_us = (uint32_t)(clock_us(CLOCK_MONOTONIC) - before);
  slot->start_time_ns = clock_us(CLOCK_REALTIME) * 1000;
  slot->pidfd = pidfd;
  slot_set_pid(slot, pid);
  return true;
}

void spawn(const struct request *request)
{
  struct start start = {.request = request, .in = -1, .out = -1, .err = -1, .report = -1};
  int input = -1, reports = -1, leaf = -1, error = check(request, &start);
  uint32_t step = STEP_REQUEST;
  struct slot *slot = NULL;
  if (error != 0) {
    spawn_failed(request->id, step, error);
    return;
  }
  if (!logs_create(request, &start, &step)) goto failed;
  step = STEP_FILES;
  if (!open_pipes(request, &start, &input, &reports)) goto failed;
  step = STEP_CGROUP;
  if (K.h.cgroup >= 0 && !cgroup_create(request->id, &leaf)) goto failed;
  step = STEP_CLONE;
  slot = slot_take(request->id);
  slot->flags = request->flags;
  slot->log_max = request->log_max;
  slot->stdin_fd = input;
  slot->report_fd = reports;
  slot->leaf = leaf >= 0;
  slot->stdin_closed = input < 0;
  slot->deadline_ms = K.now_ms + K.start_deadline_ms;
  if (!launch(slot, &start, leaf)) goto failed;
  if (leaf >= 0) close(leaf);
  close_start(&start);
  tick_before(slot->deadline_ms);
  if (!watch(ON_REPORT, slot, slot->report_fd, EPOLLIN) || !watch(ON_PIDFD, slot, slot->pidfd, EPOLLIN))
    start_abandon(slot, STEP_CLONE, errno);
  return;
failed:
  error = errno;
  close_start(&start);
  if (leaf >= 0) {
    close(leaf);
    cgroup_remove(request->id);
  }
  if (slot != NULL) {
    slot_free(slot);
  } else {
    if (input >= 0) close(input);
    if (reports >= 0) close(reports);
  }
  /* A directory that was there before belongs to an earlier worker of that id. */
  if (step > STEP_DIRECTORY) logs_remove(request->id);
  spawn_failed(request->id, step, error);
}

/* The start failed: kill what there is; SPAWN_FAILED follows when it is reaped, or at once if it may hang. */
void start_abandon(struct slot *slot, uint32_t step, int error)
{
  slot->state = DYING;
  slot->step = step;
  slot->error = (uint32_t)error;
  close_fd(&slot->report_fd);
  close_fd(&slot->stdin_fd);
  if (slot->leaf) cgroup_kill(slot);
  sys_pidfd_send_signal(slot->pidfd, SIGKILL);
  logs_remove(slot->id);
  if (error == ETIMEDOUT) notify(slot, PENDING_FAILED);
}

static void started(struct slot *slot)
{
  struct process_stat stat = {0};
  read_process_stat(slot->pid, &stat);
  /* The pipe also closes when the child is killed before its exec; this flag tells the two apart. */
  if (stat.flags & PF_FORKNOEXEC) {
    start_abandon(slot, slot->step == 0 ? STEP_SESSION : slot->step, EINTR);
    return;
  }
  slot->state = RUNNING;
  slot->start_ticks = stat.start_ticks;
  slot->exec_us = (uint32_t)(clock_us(CLOCK_MONOTONIC) - slot->cloned_us);
  close_fd(&slot->report_fd);
  for (int i = 0; i < 2; i++) slot->streams[i].scan_at = K.now_ms + MS_PER_S;
  tick_before(K.now_ms + MS_PER_S);
  notify(slot, PENDING_SPAWNED);
}

void start_reported(struct slot *slot)
{
  uint32_t record[2];
  ssize_t length;
  while ((length = read(slot->report_fd, record, sizeof record)) == (ssize_t)sizeof record) {
    slot->step = record[0];
    if (record[1] != 0) {
      start_abandon(slot, record[0], (int)record[1]);
      return;
    }
  }
  if (length == 0) started(slot);
}

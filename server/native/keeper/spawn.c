/* Starting a worker: everything that can fail without a child first, then one clone3, then the child's reports. */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SPECIFICATION_MAX (3u << 20)

/* What no order may lack; 0 when this one may go on. */
int start_refusal(const struct request *request, bool needs_data)
{
  if (!request->valid || (needs_data && !has(request, TAG_DATA))) return EINVAL;
  if (needs_data && request->data.length > SPECIFICATION_MAX) return E2BIG;
  return K.h.stopping ? ESHUTDOWN : 0;
}

/* What waits for GO has a link to hear it by, and the files that it has by then are those that any worker has. */
static bool can_be_held(const struct request *request)
{
  const uint32_t files = FLAG_STDIN_PIPE | FLAG_MERGE_STDERR | FLAG_NULL_STDOUT | FLAG_NULL_STDERR;
  return request->flags & FLAG_LINK && !(request->flags & files);
}

static int check(const struct request *request, struct start *start)
{
  int refusal = start_refusal(request, request->flags & FLAG_LINK);
  if (refusal != 0) return refusal;
  if (request->flags & FLAG_HOLD && !can_be_held(request)) return EINVAL;
  if (request->path.length == 0 || request->path.length >= PATH_MAX || request->cwd.length >= PATH_MAX) return EINVAL;
  if (slot_any(request->id) != NULL) return EEXIST;
  if (!policy_resolve(request, start)) return EPERM;
  return K.used == K.max_workers ? EAGAIN : 0;
}

/* Ours is non-blocking; the worker's end is an ordinary one. */
bool open_stdin(struct start *start)
{
  int pair[2];
  start->in = K.null;
  if (!(start->request->flags & FLAG_STDIN_PIPE)) return true;
  if (pipe2(pair, O_CLOEXEC) != 0) return false;
  start->in = pair[0];
  start->our_in = pair[1];
  return fcntl(pair[1], F_SETFL, O_WRONLY | O_NONBLOCK) == 0;
}

static bool open_reports(struct start *start)
{
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) != 0) return false;
  start->report = pair[1];
  start->our_report = pair[0];
  return fcntl(pair[0], F_SETFL, O_RDONLY | O_NONBLOCK) == 0;
}

/* In place of what was there. */
bool write_specification(int memory, const struct span *data)
{
  if (ftruncate(memory, 0) != 0) return false;
  for (size_t done = 0; done < data->length;) {
    ssize_t n = pwrite(memory, data->bytes + done, data->length - done, (off_t)done);
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

static bool make_specification(struct start *start)
{
  start->specification = memfd_create("forkbus-specification", MFD_CLOEXEC);
  return start->specification >= 0 && write_specification(start->specification, &start->request->data);
}

/* Everything that can fail without a process. False with *step and errno; then start_undo. */
bool start_prepare(struct start *start, unsigned parts, uint32_t *step)
{
  start->parts = parts;
  if ((parts & PART_FILES) && !logs_create(start->request, start, step)) return false;
  *step = STEP_FILES;
  if ((parts & PART_FILES) && !open_stdin(start)) return false;
  if ((parts & PART_SPECIFICATION) && (!logs_create_result(start) || !make_specification(start))) return false;
  if ((parts & PART_REPORT) && !open_reports(start)) return false;
  if ((parts & PART_LINK) && !link_open(&start->our_link, &start->link)) return false;
  *step = STEP_CGROUP;
  if ((parts & PART_LEAF) && K.h.cgroup >= 0 && !cgroup_create(start->request->id, &start->leaf)) return false;
  *step = STEP_LIMITS;
  return !(parts & PART_LIMITS) || leaf_limits(start->request);
}

static void close_if(int fd)
{
  if (fd >= 0 && fd != K.null) close(fd);
}

/* Closes what is the worker's. */
void start_close(struct start *start)
{
  close_if(start->in);
  if (start->err != start->out) close_if(start->err);
  close_if(start->out);
  close_if(start->report);
  close_if(start->link);
  close_if(start->result);
  close_if(start->specification);
  close_if(start->leaf);
}

/* Undoes a preparation that came as far as `step`; a slot that was taken for it is freed. */
void start_undo(struct start *start, struct slot *slot, uint32_t step)
{
  bool made_leaf = start->leaf >= 0;
  start_close(start);
  if (made_leaf) cgroup_remove(start->request->id);
  if (slot != NULL) {
    slot_free(slot);
  } else {
    close_if(start->our_in);
    close_if(start->our_report);
    close_if(start->our_link);
  }
  /* A directory that was there before belongs to an earlier worker of that id. */
  if (step > STEP_DIRECTORY && (start->parts & PART_FILES)) logs_remove(start->request->id);
}

/* The slot of a prepared start, which now owns what is ours. */
struct slot *start_slot(struct start *start)
{
  struct slot *slot = slot_take(start->request->id);
  slot->flags = start->request->flags;
  slot->log_max = start->request->log_max;
  slot->uid = start->uid;
  slot->stdin_fd = start->our_in;
  slot->report_fd = start->our_report;
  slot->link_fd = start->our_link;
  slot->leaf = start->leaf >= 0;
  slot->stdin_closed = start->our_in < 0;
  slot->deadline_ms = K.now_ms + K.start_deadline_ms;
  if (slot->link_fd >= 0) slot->moments[MOMENT_ORDERED] = clock_us(CLOCK_MONOTONIC) * 1000;
  tick_before(slot->deadline_ms);
  return slot;
}

static bool launch(struct slot *slot, struct start *start)
{
  uint64_t before = clock_us(CLOCK_MONOTONIC);
  int pidfd = -1;
  pid_t pid = sys_clone(&pidfd, start->leaf);
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
  struct start start = EMPTY_START(request);
  uint32_t step = STEP_REQUEST;
  struct slot *slot = NULL;
  int error = check(request, &start);
  if (error != 0) {
    spawn_failed(request->id, step, error, NULL);
    return;
  }
  unsigned language = request->flags & FLAG_LINK ? PART_SPECIFICATION | PART_LINK : 0;
  if (!start_prepare(&start, PART_FILES | PART_REPORT | PART_LEAF | PART_LIMITS | language, &step)) goto failed;
  step = STEP_CLONE;
  slot = start_slot(&start);
  if (!launch(slot, &start)) goto failed;
  if (request->flags & FLAG_HOLD) {
    slot->hold = HOLD_SPAWNED;
    slot->go_fds[GO_SPECIFICATION] = start.specification; /* where it will read the other one */
    start.specification = -1;
  }
  start_close(&start);
  if (!watch(ON_REPORT, slot, slot->report_fd, EPOLLIN) || !watch(ON_PIDFD, slot, slot->pidfd, EPOLLIN) ||
      (slot->link_fd >= 0 && !watch(ON_LINK, slot, slot->link_fd, EPOLLIN))) start_abandon(slot, STEP_CLONE, errno);
  return;
failed:
  error = errno;
  start_undo(&start, slot, step);
  spawn_failed(request->id, step, error, NULL);
}

/* The start failed: kill what there is; SPAWN_FAILED follows when it is reaped, or at once if it may hang. */
void start_abandon(struct slot *slot, uint32_t step, int error)
{
  slot->state = DYING;
  slot->step = step;
  slot->error = (uint32_t)error;
  close_fd(&slot->report_fd);
  close_fd(&slot->stdin_fd);
  link_close(slot);
  if (slot->leaf) cgroup_kill(slot);
  sys_pidfd_send_signal(slot->pidfd, SIGKILL);
  if (!slot->bare) logs_remove(slot->id);
  if (error == ETIMEDOUT) notify(slot, PENDING_FAILED);
}

void start_done(struct slot *slot)
{
  slot->state = RUNNING;
  for (int i = 0; i < 2; i++) slot->streams[i].scan_at = K.now_ms + MS_PER_S;
  tick_before(K.now_ms + MS_PER_S);
  notify(slot, PENDING_SPAWNED);
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
  slot->start_ticks = stat.start_ticks;
  slot->exec_us = (uint32_t)(clock_us(CLOCK_MONOTONIC) - slot->cloned_us);
  close_fd(&slot->report_fd);
  if (!(slot->flags & FLAG_LINK)) {
    start_done(slot);
    return;
  }
  slot->step = STEP_SPECIFICATION; /* its program runs, and says when it is what it was told to be */
  if (slot->link_fd < 0) start_abandon(slot, STEP_SPECIFICATION, EINTR);
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

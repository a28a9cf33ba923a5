/*
 * Workers that a fork server makes. It is sent the worker's end of a link and forks; the child's first word on that
 * link is its birth, and it runs no code of the user before our go. No slot waits for a process that cannot come:
 * when the last holder of the other end is gone, the link ends.
 */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ORDER_HELD = 1 }; /* the go may be long in coming */

static int check(const struct request *request, struct slot *server)
{
  int refusal = start_refusal(request, !(request->flags & FLAG_HOLD));
  if (refusal != 0) return refusal;
  if (slot_any(request->id) != NULL) return EEXIST;
  if (server == NULL || server->state != RUNNING || server->serving != SERVES) return ESRCH;
  return K.used == K.max_workers ? EAGAIN : 0;
}

static int keep(int fd) { return fd == K.null ? -1 : fd; }

/* What the child gets with its go is the slot's from here on. */
static void keep_files(struct slot *slot, struct start *start)
{
  slot->go_fds[GO_SPECIFICATION] = start->specification;
  slot->go_fds[GO_RESULT] = start->result;
  slot->go_fds[GO_STDIN] = keep(start->in);
  slot->go_fds[GO_STDOUT] = keep(start->out);
  slot->go_fds[GO_STDERR] = start->err == start->out ? -1 : keep(start->err);
  start->specification = start->result = start->in = start->out = start->err = -1;
}

/* What the child gets with its go; of one that is to be held, the specification is still empty. False with *step and errno. */
static bool make_files(struct slot *slot, struct start *start, uint32_t *step)
{
  if (!start_prepare(start, PART_FILES | PART_SPECIFICATION, step)) {
    int error = errno;
    start_close(start);
    if (start->our_in >= 0) close(start->our_in);
    slot->bare = *step == STEP_DIRECTORY;
    errno = error;
    return false;
  }
  slot->stdin_fd = start->our_in;
  slot->stdin_closed = start->our_in < 0;
  keep_files(slot, start);
  return true;
}

static bool order(const struct slot *server, const struct start *start)
{
  uint8_t packet[1 + ID_BYTES + 1] = {'F'};
  memcpy(packet + 1, start->request->id, ID_BYTES);
  packet[1 + ID_BYTES] = ORDER_HELD;
  bool held = start->request->flags & FLAG_HOLD;
  const int fds[] = {start->link, start->leaf};
  return link_send(server, packet, held ? sizeof packet : sizeof packet - 1, fds,
                   start->leaf >= 0 && !leaf_slows(start->request) ? 2 : 1);
}

void fork_worker(const struct request *request)
{
  struct slot *server = has(request, TAG_SERVER) ? slot_by_id(request->server) : NULL, *slot = NULL;
  struct start start = EMPTY_START(request);
  uint32_t step = STEP_REQUEST;
  int error = check(request, server);
  if (error != 0) {
    spawn_failed(request->id, step, error, NULL);
    return;
  }
  start.uid = server->uid;
  /* With leaves, a held child has one from its birth: in its server's it would end when that ends. */
  if (!start_prepare(&start, PART_LINK | PART_LEAF | (request->flags & FLAG_HOLD ? 0 : PART_LIMITS), &step)) goto failed;
  step = STEP_FORK;
  slot = start_slot(&start);
  slot->state = UNBORN;
  slot->hold = request->flags & FLAG_HOLD ? HOLD_FORKED : 0;
  memcpy(slot->server, request->server, ID_BYTES);
  if (!watch(ON_LINK, slot, slot->link_fd, EPOLLIN) || !order(server, &start)) goto failed;
  /* The child is on its way meanwhile. */
  if (!make_files(slot, &start, &step)) never_born(slot, step, errno, NULL);
  else start_close(&start);
  return;
failed:
  error = errno;
  start_undo(&start, slot, step);
  spawn_failed(request->id, step, error, NULL);
}

/* Nothing was made that could run: nothing is left, and the same id may be ordered again. */
void never_born(struct slot *slot, uint32_t step, int error, const char *message)
{
  slot->state = DYING; /* what it never was; but its leaf may need another try */
  slot->step = step;
  slot->error = (uint32_t)error;
  close_fd(&slot->stdin_fd);
  link_close(slot);
  if (!slot->bare) logs_remove(slot->id);
  if (message != NULL && message[0] != '\0' && K.h.flowing && spawn_failed(slot->id, step, error, message)) slot->told = 1;
  try_to_free(slot);
}

#define SILENCE_MS 3000
#define IDLE_MS 1000
#define LOOK_AGAIN_MS 200

/*
 * One whose memory takes long to be copied runs, or waits for the kernel. One look does not tell: it may just have
 * forked, and the child has not had its turn yet.
 */
static bool is_idle(struct slot *slot, const struct slot *server)
{
  struct process_stat stat;
  bool works = server != NULL && read_process_stat(server->pid, &stat) && (stat.state == 'R' || stat.state == 'D');
  if (works) slot->idle_since = 0;
  else if (slot->idle_since == 0) slot->idle_since = K.now_ms;
  return !works && K.now_ms >= slot->idle_since + IDLE_MS;
}

/*
 * ETIME where its fork server answers nobody: it is stopped, or waits for what does not come. ETIMEDOUT where it
 * answers others, only too late.
 */
void unborn_check(struct slot *slot)
{
  const struct slot *server = slot_by_id(slot->server);
  uint64_t ordered = slot->moments[MOMENT_ORDERED] / 1000000;
  bool heard = server != NULL && server->heard_ms > ordered;
  uint64_t silent_at = (heard ? server->heard_ms : ordered) + SILENCE_MS;
  if (K.now_ms >= slot->deadline_ms) never_born(slot, STEP_BIRTH, heard ? ETIMEDOUT : ETIME, NULL);
  else if (K.now_ms < silent_at) tick_before(silent_at < slot->deadline_ms ? silent_at : slot->deadline_ms);
  else if (is_idle(slot, server)) never_born(slot, STEP_BIRTH, ETIME, NULL);
  else tick_before(K.now_ms + LOOK_AGAIN_MS);
}

/* A child that was told to go some time ago, and that somebody has stopped: it has run no code of the user. */
bool is_stopped_at_go(const struct slot *slot)
{
  struct process_stat stat;
  uint64_t told = slot->moments[MOMENT_GO] / 1000000;
  if (told == 0 || K.now_ms < told + SILENCE_MS) return false;
  return read_process_stat(slot->pid, &stat) && (stat.state == 'T' || stat.state == 't');
}

/*
 * 0 when the kernel's word means a child of ours that is not yet a worker. It is not reaped while it lives, and an open
 * other end of the link shows that it does: so the number is still that process's. EINTR when it has ended meanwhile: its
 * files are closed before the kernel says so of the process.
 */
static int newborn_refusal(const struct slot *slot, pid_t pid, int pidfd, struct process_stat *stat)
{
  char byte;
  if (pid <= 0 || slot_by_pid(pid) != NULL) return EPERM;
  if (pidfd < 0 || !read_process_stat(pid, stat)) return EINTR;
  if (stat->parent != getpid()) return EPERM;
  if (stat->state == 'Z' || stat->state == 'X') return EINTR;
  ssize_t more = recv(slot->link_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (more == 0 || (more < 0 && errno == ECONNRESET)) return EINTR;
  return more < 0 && errno == EAGAIN ? 0 : EPERM;
}

static void say_go(struct slot *slot, int files)
{
  int fds[GO_FDS];
  for (int i = 0; i < GO_FDS; i++) fds[i] = slot->go_fds[i] < 0 ? K.null : slot->go_fds[i];
  if (slot->flags & FLAG_MERGE_STDERR) fds[GO_STDERR] = fds[GO_STDOUT];
  slot->moments[MOMENT_GO] = clock_us(CLOCK_MONOTONIC) * 1000;
  slot->step = STEP_SPECIFICATION;
  if (!link_send(slot, "G", 1, fds, files)) {
    start_abandon(slot, STEP_BIRTH, errno == EPIPE || errno == ECONNRESET ? EINTR : errno);
    return;
  }
  for (int i = 0; i < GO_FDS; i++) close_fd(&slot->go_fds[i]);
}

void born(struct slot *slot, pid_t pid, uint64_t asked, uint64_t forked)
{
  struct process_stat stat = {0};
  struct slot *server = slot_by_id(slot->server);
  int pidfd = sys_pidfd_open(pid);
  if (server != NULL) server->heard_ms = K.now_ms;
  int refusal = newborn_refusal(slot, pid, pidfd, &stat);
  if (refusal != 0) {
    if (pidfd >= 0) close(pidfd);
    never_born(slot, STEP_BIRTH, refusal, NULL);
    return;
  }
  slot->state = slot->hold ? HELD : STARTING;
  slot->step = STEP_BIRTH;
  slot->pidfd = pidfd;
  slot_set_pid(slot, pid);
  slot->start_ticks = stat.start_ticks;
  slot->start_time_ns = clock_us(CLOCK_REALTIME) * 1000;
  slot->moments[MOMENT_ASKED] = asked;
  slot->moments[MOMENT_FORKED] = forked;
  if (!watch(ON_PIDFD, slot, pidfd, EPOLLIN)) start_abandon(slot, STEP_BIRTH, errno);
  else if (slot->leaf && !sits_in_leaf(pid, slot->id) && !leaf_enter(slot)) start_abandon(slot, STEP_CGROUP, errno);
  else if (slot->hold) notify(slot, PENDING_BORN);
  else say_go(slot, GO_FDS);
}

/* A spawned one that is to be held says so when it has loaded what it is to load. False when it cannot say that now. */
bool waits(struct slot *slot, pid_t pid, uint64_t asked, uint64_t forked)
{
  if (slot->state != STARTING || slot->hold != HOLD_SPAWNED || slot->step != STEP_BIRTH || pid != slot->pid) return false;
  slot->state = HELD;
  slot->moments[MOMENT_ASKED] = asked;
  slot->moments[MOMENT_FORKED] = forked;
  notify(slot, PENDING_BORN);
  return true;
}

/* The keeper stops: what waits to be born or for its go has run nothing yet. */
void stop_births(void)
{
  for (uint32_t i = 0; i < K.h.slots; i++) {
    struct slot *slot = &K.slots[i];
    if (slot->state == UNBORN) never_born(slot, STEP_BIRTH, ESHUTDOWN, NULL);
    else if (slot->state == HELD) start_abandon(slot, STEP_BIRTH, ESHUTDOWN);
  }
}

/* What was made when nothing was known of it. Not for one that was spawned, to whom nobody can hand another file. */
static bool change_files(struct slot *slot, const struct request *request)
{
  static const struct { uint32_t flags; int file; } unwanted[] = {
      {FLAG_NULL_STDOUT, GO_STDOUT}, {FLAG_NULL_STDERR | FLAG_MERGE_STDERR, GO_STDERR}};
  struct start start = EMPTY_START(request);
  const uint32_t others = FLAG_STDIN_PIPE | unwanted[0].flags | unwanted[1].flags;
  errno = EINVAL;
  if (slot->hold == HOLD_SPAWNED) return !(request->flags & others);
  for (int i = 0; i < 2; i++) {
    if (!(request->flags & unwanted[i].flags)) continue;
    close_fd(&slot->go_fds[unwanted[i].file]);
    logs_remove_stream(slot->id, i);
  }
  bool opened = open_stdin(&start);
  slot->go_fds[GO_STDIN] = keep(start.in);
  slot->stdin_fd = start.our_in;
  slot->stdin_closed = start.our_in < 0;
  return opened;
}

/* One that was forked sees to its CPUs itself. */
static bool move_to_cpus(const struct slot *slot, const struct request *request)
{
  if (slot->hold != HOLD_SPAWNED || request->cpus.length == 0) return true;
  errno = pin(request);
  return errno == 0;
}

/* False with *step and errno. */
static bool make_ready(struct slot *slot, const struct request *request, uint32_t *step)
{
  *step = STEP_LIMITS;
  if (!leaf_limits(request)) return false;
  *step = STEP_FILES;
  if (!change_files(slot, request) || !write_specification(slot->go_fds[GO_SPECIFICATION], &request->data)) return false;
  *step = STEP_AFFINITY;
  if (move_to_cpus(slot, request)) return true;
  if (errno == ESRCH) { /* it has just ended, and we are about to hear of it */
    *step = STEP_BIRTH;
    errno = EINTR;
  }
  return false;
}

/* It was held, and that it has ended is about to be said: of one order there is one answer. */
static bool is_failing(const struct slot *slot)
{
  return slot != NULL && slot->hold != 0 && (slot->state == DYING || slot->state == FAILED) && !slot->told;
}

/* What was held becomes a worker, or ends: nobody will ask for it again. */
void go(const struct request *request)
{
  struct slot *slot = slot_by_id(request->id);
  uint32_t step = STEP_REQUEST;
  if (slot == NULL && is_failing(slot_any(request->id))) return;
  if (slot == NULL || slot->state != HELD) {
    spawn_failed(request->id, step, ECHILD, NULL);
    return;
  }
  int error = start_refusal(request, true);
  if (error == 0 && !make_ready(slot, request, &step)) error = errno;
  if (error != 0) {
    start_abandon(slot, step, error);
    return;
  }
  int files = slot->hold == HOLD_FORKED ? GO_FDS : 0;
  slot->state = STARTING;
  slot->hold = 0;
  slot->flags = request->flags & ~(uint32_t)FLAG_HOLD;
  slot->log_max = request->log_max;
  slot->deadline_ms = K.now_ms + K.start_deadline_ms;
  tick_before(slot->deadline_ms);
  say_go(slot, files);
}

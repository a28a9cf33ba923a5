/*
 * How workers end. An exit is read with WNOWAIT, so the zombie stays as the record of it until the daemon
 * acknowledges; what is not known is reported as unknown, never guessed.
 */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 20
#define RETRY_MAX_MS 5000
#define GIVE_UP_MS 60000
#define WAIT_TREE_MS 100
#define EXIT_INFO_WAIT_MS 10000
#define BATCH 256
static uint32_t batch[BATCH], batched;

static void take_usage(struct slot *slot, const struct rusage *usage)
{
  slot->usage[0] = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec;
  slot->usage[1] = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec;
  const long values[] = {usage->ru_maxrss * 1024, usage->ru_minflt, usage->ru_majflt, usage->ru_nvcsw, usage->ru_nivcsw};
  for (int i = 0; i < 5; i++) slot->usage[2 + i] = (uint64_t)values[i];
}

/* True when the process is over and the slot holds all that can be known about how. */
static bool read_exit(struct slot *slot)
{
  siginfo_t info;
  struct rusage usage = {0};
  struct process_stat stat;
  int status;
  if (!slot->foreign) {
    int failed = sys_waitid(P_PIDFD, slot->pidfd, &info, WEXITED | WNOWAIT | WNOHANG, &usage);
    if (failed) return errno == ECHILD; /* somebody else has taken it: how it ended nobody will know */
    if (info.si_pid == 0) return false;
    slot->exit_source = SOURCE_WAITID;
    slot->exit_kind = (uint32_t)info.si_code;
    slot->exit_value = (uint32_t)info.si_status;
    take_usage(slot, &usage);
    return true;
  }
  if (sys_pidfd_exit_status(slot->pidfd, &status)) {
    slot->exit_source = SOURCE_PIDFD_INFO;
  } else if (read_process_stat(slot->pid, &stat) && stat.state == 'Z' && stat.start_ticks == slot->start_ticks &&
             stat.exit_code != 0) {
    status = stat.exit_code;
    slot->exit_source = SOURCE_PROC_STAT;
  }
  if (slot->exit_source != 0) {
    slot->exit_kind = WIFEXITED(status) ? CLD_EXITED : WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
    slot->exit_value = (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return true;
  }
  if (!(K.h.features & FEATURE_EXIT_INFO)) return true;
  /* Its parent has not reaped it yet: the kernel tells us only then. */
  if (slot->deadline_ms == 0) {
    unwatch(slot->pidfd);
    slot->deadline_ms = K.now_ms + EXIT_INFO_WAIT_MS;
  }
  tick_before(K.now_ms + RETRY_MS);
  return K.now_ms >= slot->deadline_ms;
}

static void look_again(const struct slot *slot)
{
  K.trees_left = true;
  tick_before(K.now_ms + (slot->killing ? RETRY_MS : WAIT_TREE_MS));
}

static void finish(struct slot *slot)
{
  bool wait = slot->flags & FLAG_WAIT_TREE;
  slot->tree = tree_alive(slot);
  if (slot->tree && (slot->killing || !wait)) {
    tree_signal(slot, SIGKILL);
    slot->tree = tree_alive(slot);
  }
  if (!slot->tree || !wait) {
    close_fd(&slot->stdin_fd);
    slot->stdin_closed = 1;
  }
  logs_scan(slot, true);
  notify(slot, PENDING_EXITED);
  if (slot->tree) look_again(slot);
}

/* Exits are finished together, so that one look at our children serves all of them. */
void exits_finish(void)
{
  if (batched == 0) return;
  if (K.h.cgroup < 0) children_scan();
  for (uint32_t i = 0; i < batched; i++) finish(&K.slots[batch[i]]);
  batched = 0;
}

/* Something is left that should go by itself: looks again later and later, and false once it has had its time. */
static bool retry_later(struct slot *slot)
{
  if (slot->give_up_at == 0) slot->give_up_at = K.now_ms + GIVE_UP_MS;
  if (K.now_ms >= slot->give_up_at) {
    char name[NAME_BYTES];
    format_id(slot->id, name);
    say("gave up the %s of %s, which cannot be removed", slot->tree ? "tree" : "cgroup", name);
    return false;
  }
  slot->retry_ms = slot->retry_ms == 0 ? RETRY_MS : slot->retry_ms < RETRY_MAX_MS / 2 ? slot->retry_ms * 2 : RETRY_MAX_MS;
  slot->retry_at = K.now_ms + slot->retry_ms;
  tick_before(slot->retry_at);
  return true;
}

/* A failed start, once reaped, is over when its leaf is gone; an acknowledged worker when its tree is, too. */
void try_to_free(struct slot *slot)
{
  K.trees_left |= slot->tree;
  if (K.now_ms < slot->retry_at) {
    tick_before(slot->retry_at);
    return;
  }
  if (slot->state == CLOSING && slot->tree) {
    slot->tree = tree_alive(slot);
    if (slot->tree && (slot->leaf || slot->foreign)) tree_signal(slot, SIGKILL);
  }
  bool left = slot->tree || (slot->leaf && !cgroup_remove(slot->id));
  if (left && retry_later(slot)) return;
  if (slot->state == CLOSING || (slot->told && !(slot->pending & PENDING_FAILED))) {
    slot_free(slot);
  } else {
    slot->state = FAILED;
    slot->leaf = 0;
    notify(slot, PENDING_FAILED);
  }
}

void exit_noticed(struct slot *slot)
{
  siginfo_t info = {0};
  link_drain(slot);
  if (slot->state == HELD) start_abandon(slot, STEP_BIRTH, EINTR);
  if (slot->state == STARTING) {
    if (slot->report_fd >= 0) start_reported(slot);
    if (slot->state == STARTING) start_abandon(slot, slot->step == 0 ? STEP_SESSION : slot->step, EINTR);
  }
  if (slot->state == DYING) {
    if (sys_waitid(P_PIDFD, slot->pidfd, &info, WEXITED | WNOHANG, NULL) == 0 && info.si_pid == 0) return;
    if (slot->error == EINTR) {
      slot->exit_kind = (uint32_t)info.si_code;
      slot->exit_value = (uint32_t)info.si_status;
    }
    close_fd(&slot->pidfd);
    try_to_free(slot);
  } else if (slot->state == RUNNING && batched < BATCH && read_exit(slot)) {
    unwatch(slot->pidfd);
    link_close(slot);
    slot->state = EXITED_UNACKED;
    slot->end_time_ns = clock_us(CLOCK_REALTIME) * 1000;
    batch[batched++] = slot_index(slot);
  }
}

/* What a tick does for one slot. */
void slot_check(struct slot *slot)
{
  switch (slot->state) {
  case UNBORN:
    unborn_check(slot);
    break;
  case STARTING:
    if (K.now_ms >= slot->deadline_ms) start_abandon(slot, slot->step == 0 ? STEP_SESSION : slot->step, ETIMEDOUT);
    else if (is_stopped_at_go(slot)) start_abandon(slot, slot->step, ETIME);
    else tick_before(slot->deadline_ms);
    break;
  case RUNNING:
    if (slot->foreign && slot->deadline_ms != 0) exit_noticed(slot);
    else logs_scan(slot, false);
    break;
  case EXITED_UNACKED:
    if (!slot->tree) break;
    slot->tree = tree_alive(slot);
    if (slot->tree && slot->killing && (slot->leaf || slot->foreign)) tree_signal(slot, SIGKILL);
    logs_scan(slot, !slot->tree);
    if (slot->tree) look_again(slot);
    else notify(slot, PENDING_TREE_GONE);
    break;
  case DYING:
    if (slot->pidfd >= 0) exit_noticed(slot);
    else try_to_free(slot);
    break;
  case CLOSING:
    try_to_free(slot);
    break;
  default:
    break;
  }
}

/* The daemon has kept the record: the zombie may go. False while a tree that it wants to wait for lives. */
bool close_worker(struct slot *slot)
{
  siginfo_t info;
  if (slot->tree && (slot->flags & FLAG_WAIT_TREE)) return false;
  if (!slot->foreign) sys_waitid(P_PIDFD, slot->pidfd, &info, WEXITED | WNOHANG, NULL);
  close_fd(&slot->pidfd);
  close_fd(&slot->stdin_fd);
  slot->state = CLOSING;
  slot->pending = 0;
  try_to_free(slot);
  return true;
}

/*
 * Takes a worker of a keeper that died. Looking twice makes sure that the pidfd is that very process; that it is a
 * worker at all must show in the process itself, or the owner could name any process and have it killed.
 */
int adopt(const struct request *request)
{
  struct process_stat before, after;
  pid_t pid = (pid_t)request->pid;
  if (!request->valid || !has(request, TAG_PID) || !has(request, TAG_START_TICKS) || pid <= 0) return EINVAL;
  if (slot_any(request->id) != NULL || slot_by_pid(pid) != NULL) return EEXIST;
  if (K.h.stopping) return ESHUTDOWN;
  if (!read_process_stat(pid, &before) || before.start_ticks != request->start_ticks) return ESRCH;
  int pidfd = sys_pidfd_open(pid);
  if (pidfd < 0) return errno;
  bool known = is_worker(pid, request->id);
  if (!known) say("process %d is refused: nothing shows that it is that worker", (int)pid);
  if (!known || !read_process_stat(pid, &after) || after.start_ticks != request->start_ticks) {
    close(pidfd);
    return ESRCH;
  }
  struct slot *slot = slot_take(request->id);
  if (slot == NULL) {
    close(pidfd);
    return EAGAIN;
  }
  slot->state = RUNNING;
  slot->foreign = 1;
  slot->stdin_closed = 1;
  slot->flags = request->flags & ~(uint32_t)FLAG_STDIN_PIPE;
  slot->log_max = request->log_max;
  slot->start_ticks = request->start_ticks;
  slot->pidfd = pidfd;
  slot_set_pid(slot, pid);
  if (!watch(ON_PIDFD, slot, pidfd, EPOLLIN)) {
    int error = errno;
    slot_free(slot);
    return error;
  }
  logs_load(slot);
  if (K.h.cgroup >= 0) cgroup_take_over(slot);
  tick_before(K.now_ms + MS_PER_S);
  return 0;
}

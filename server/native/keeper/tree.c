/*
 * The tree of a worker. With a leaf, the kernel knows it. Without one: when a worker is dead, the top of whatever
 * it left is our child (we are the subreaper), so a look at our own children tells whether a tree remains; only
 * then, or for a signal to a whole tree, all of /proc is read.
 */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_MEMBERS 4096

static struct slot *marked_slot(pid_t pid)
{
  uint8_t id[ID_BYTES];
  return process_mark(pid, id) ? slot_any(id) : NULL;
}

/* One of our children that is no worker: reaps it, or marks the worker it belongs to. True when it was reaped. */
static bool visit_orphan(pid_t pid)
{
  siginfo_t info;
  struct process_stat stat;
  if (sys_waitid(P_PID, pid, &info, WEXITED | WNOHANG, NULL) == 0 && info.si_pid != 0) return true;
  if (!read_process_stat(pid, &stat)) return false;
  struct slot *owner = slot_by_pid(stat.session);
  if (owner == NULL && (owner = marked_slot(pid)) == NULL) return false;
  owner->orphans_seen = K.scan_number;
  if (owner->killing && !owner->leaf) kill(pid, SIGKILL); /* our unreaped child: the number cannot be another's */
  return false;
}

/* Looks at every child of ours once; again while some were reaped, because that can hide others from the reader. */
void children_scan(void)
{
  static char text[16384];
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  K.children_at = NEVER;
  K.scanned_at = K.now_ms;
  bool reaped = true;
  for (int pass = 0; pass < 4 && reaped; pass++) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    K.no_children_file = fd < 0;
    if (fd < 0) return;
    K.scan_number++;
    reaped = false;
    size_t kept = 0;
    for (ssize_t length; (length = read(fd, text + kept, sizeof text - kept - 1)) > 0;) {
      char *at = text, *end;
      text[kept + (size_t)length] = '\0';
      for (; (end = strchr(at, ' ')) != NULL; at = end + 1) {
        pid_t pid = (pid_t)atoi(at);
        if (slot_by_pid(pid) == NULL && visit_orphan(pid)) reaped = true;
      }
      kept = strlen(at);
      memmove(text, at, kept);
    }
    close(fd);
  }
}

static struct member { pid_t pid; uint64_t start_ticks; } members[MOST_MEMBERS];
static int member_count;

static bool is_member(pid_t pid)
{
  for (int i = 0; i < member_count; i++)
    if (members[i].pid == pid) return true;
  return false;
}

static bool belongs(const struct slot *slot, pid_t pid, const struct process_stat *stat)
{
  if (stat->session == slot->pid || stat->parent == slot->pid || is_member(stat->parent)) return true;
  return (stat->parent == getpid() || slot->foreign) && slot_by_pid(pid) == NULL && marked_slot(pid) == slot;
}

/* Fills `members` with the living processes of the tree except the worker itself. */
static void find_members(const struct slot *slot)
{
  static char buffer[32768] __attribute__((aligned(8)));
  int before = -1, proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  member_count = 0;
  while (proc >= 0 && before < member_count && member_count < MOST_MEMBERS) {
    char *name;
    uint8_t type;
    long filled = 0, at = 0;
    before = member_count;
    lseek(proc, 0, SEEK_SET);
    while (next_entry(proc, buffer, sizeof buffer, &filled, &at, &name, &type) && member_count < MOST_MEMBERS) {
      struct process_stat stat;
      pid_t pid = (pid_t)atoi(name);
      if (pid <= 0 || pid == slot->pid || pid == getpid() || is_member(pid) || !read_process_stat(pid, &stat)) continue;
      if (stat.state == 'Z' || stat.state == 'X' || !belongs(slot, pid, &stat)) continue;
      members[member_count++] = (struct member){pid, stat.start_ticks};
    }
  }
  if (proc >= 0) close(proc);
}

/* Finding and signalling are apart: killing a parent first would hide whose child the next one is. */
static int signal_members(int signal)
{
  int sent = 0;
  for (int i = 0; i < member_count; i++) {
    struct process_stat stat;
    int pidfd = sys_pidfd_open(members[i].pid);
    if (pidfd < 0) continue;
    if (read_process_stat(members[i].pid, &stat) && stat.start_ticks == members[i].start_ticks &&
        sys_pidfd_send_signal(pidfd, signal) == 0) sent++;
    close(pidfd);
  }
  return sent;
}

bool tree_alive(struct slot *slot)
{
  if (slot->leaf) return cgroup_populated(slot);
  if (!slot->foreign && !K.no_children_file) return slot->orphans_seen == K.scan_number;
  find_members(slot);
  return member_count > 0;
}

/* Signals every process of the tree, the worker included; how many there were. */
int tree_signal(struct slot *slot, int signal)
{
  bool main_lives = slot->state == STARTING || slot->state == RUNNING || slot->state == HELD;
  if (signal == SIGKILL) slot->killing = 1;
  if (slot->leaf) {
    if (signal != SIGKILL) return cgroup_signal(slot, signal);
    bool any = main_lives || cgroup_populated(slot);
    cgroup_kill(slot);
    return any;
  }
  int sent = 0;
  for (int round = 0; round < (signal == SIGKILL ? 4 : 1); round++) {
    find_members(slot);
    if (main_lives && round == 0 && sys_pidfd_send_signal(slot->pidfd, signal) == 0) sent++;
    if (member_count == 0) break;
    sent += signal_members(signal);
  }
  return sent;
}

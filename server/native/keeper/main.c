/*
 * forkbus-keeper: the parent of every worker. It starts programs, remembers how they ended until somebody has
 * written it down, and does as little else as it can, because it must not die. See docs/KEEPER.md.
 */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EXIT_BUSY 75
#define CHILDREN_EVERY_MS 100
#define STOP_MS 10000
#define LAST_ACKNOWLEDGEMENTS_MS 1000

struct keeper K;

/* One line to stderr, or none if that would block. */
void say(const char *format, ...)
{
  char line[512];
  struct pollfd out = {.fd = 2, .events = POLLOUT};
  va_list list;
  va_start(list, format);
  int length = vsnprintf(line, sizeof line - 1, format, list);
  va_end(list);
  if (length < 0 || poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT)) return;
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  dprintf(2, "forkbus-keeper: %.*s\n", length, line);
}

uint64_t clock_us(int clock)
{
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

void tick_before(uint64_t ms) { if (ms < K.tick_at) K.tick_at = ms; }

/* After an upgrade there is no way back, and an end would lose every worker: we begin again, until it works. */
static _Noreturn void die(const char *what)
{
  say("%s: %s", what, strerror(errno));
  while (K.resumed >= 0) {
    sleep(1);
    lseek(K.resumed, 0, SEEK_SET);
    execv("/proc/self/exe", K.argv);
  }
  exit(1);
}

static char former_cgroups[1024]; /* of the keeper that had the directory before */

/*
 * Opens a directory that we are going to make and remove names in. What others may write to, they may fill with
 * links, and root must not follow those.
 */
static int open_own(const char *path)
{
  struct stat stat;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || fstat(fd, &stat) != 0) die(path);
  mode_t others = K.has_group && stat.st_gid == K.group ? 02 : 022;
  if (K.euid == 0 && (stat.st_uid != 0 || (stat.st_mode & others) != 0)) {
    say("%s must belong to root, and nobody else but the group of --group may write to it", path);
    exit(1);
  }
  return fd;
}

static void open_directory(void)
{
  char text[32 + sizeof former_cgroups] = "";
  struct stat stat;
  if (mkdir(K.directory_path, 0700) != 0 && errno != EEXIST) die(K.directory_path);
  K.h.directory = open_own(K.directory_path);
  if (K.has_group && fchown(K.h.directory, (uid_t)-1, K.group) != 0) die(K.directory_path);
  if (fstat(K.h.directory, &stat) == 0 && stat.st_uid == K.euid && fchmod(K.h.directory, K.has_group ? 0750 : 0700) != 0)
    die(K.directory_path);
  K.h.lock = openat(K.h.directory, "keeper.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (K.h.lock < 0) die("keeper.lock");
  if (flock(K.h.lock, LOCK_EX | LOCK_NB) != 0) {
    if (read(K.h.lock, text, sizeof text - 1) < 0) die("keeper.lock");
    say("another keeper, pid %d, has %s", atoi(text), K.directory_path);
    exit(EXIT_BUSY);
  }
  if (pread(K.h.lock, text, sizeof text - 1, 0) > 0) sscanf(text, "%*d %1023s", former_cgroups);
  if (ftruncate(K.h.lock, 0) != 0 || dprintf(K.h.lock, "%d\n", (int)getpid()) < 0) die("keeper.lock");
}

static void open_socket(void)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat stat;
  char *slash;
  strcpy(address.sun_path, K.socket_path);
  slash = strrchr(address.sun_path, '/');
  *slash = '\0';
  int parent = open_own(slash == address.sun_path ? "/" : address.sun_path);
  *slash = '/';
  if (fstatat(parent, slash + 1, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(stat.st_mode)) unlinkat(parent, slash + 1, 0);
  K.h.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  umask(K.has_group ? 0117 : 0177);
  if (K.h.listener < 0 || bind(K.h.listener, (struct sockaddr *)&address, sizeof address) != 0) die(K.socket_path);
  umask(0);
  uid_t owner = K.owner != K.euid ? K.owner : (uid_t)-1;
  gid_t group = K.has_group ? K.group : (gid_t)-1;
  if (fchownat(parent, slash + 1, owner, group, AT_SYMLINK_NOFOLLOW) != 0 || listen(K.h.listener, 8) != 0) die(K.socket_path);
  close(parent);
  watch(ON_LISTENER, NULL, K.h.listener, EPOLLIN);
}

static void probe_exit_info(void)
{
  siginfo_t info;
  int pidfd, status;
  pid_t child = sys_clone(&pidfd, -1);
  if (child == 0) _exit(7);
  if (child < 0) die("clone (needs Linux 5.10)");
  sys_waitid(P_PID, child, &info, WEXITED, NULL);
  if (sys_pidfd_exit_status(pidfd, &status) && status == 7 << 8) K.h.features |= FEATURE_EXIT_INFO;
  close(pidfd);
}

static void prepare_process(void)
{
  sigset_t taken;
  char text[16] = "";
  prctl(PR_SET_NAME, "forkbus-keeper"); /* an upgrade executes a descriptor, which has no name */
  while ((K.null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && K.null <= 2) fcntl(K.null, F_SETFD, 0);
  if (K.null < 0) die("/dev/null");
  for (int signal_number = 1; signal_number < 32; signal_number++) signal(signal_number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&taken);
  sigaddset(&taken, SIGCHLD);
  sigaddset(&taken, SIGTERM);
  sigaddset(&taken, SIGINT);
  sigprocmask(SIG_SETMASK, &taken, NULL);
  K.signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
  K.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (K.signals < 0 || K.epoll < 0 || !watch(ON_SIGNAL, NULL, K.signals, EPOLLIN)) die("epoll");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) die("subreaper");
  read_file(AT_FDCWD, "/proc/self/oom_score_adj", text, sizeof text);
  K.negative_oom_score = text[0] == '-';
  K.in = mmap(NULL, IN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  K.out.bytes = mmap(NULL, OUT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  K.out.capacity = OUT_BYTES;
  if (K.in == MAP_FAILED || K.out.bytes == MAP_FAILED) die("memory");
}

static void start_fresh(void)
{
  struct rlimit files;
  if (!table_create()) die("memory");
  K.h.umask = umask(0);
  getrlimit(RLIMIT_NOFILE, &files);
  K.h.nofile_soft = files.rlim_cur;
  K.h.nofile_hard = files.rlim_max;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (getrandom(K.h.instance, sizeof K.h.instance, 0) != sizeof K.h.instance) die("getrandom");
  open_directory();
  if (logs_probe()) K.h.features |= FEATURE_PUNCH;
  probe_exit_info();
  if (!policy_load(K.policy_path) || !cgroup_setup()) exit(1);
  if (former_cgroups[0] == '/') cgroup_sweep(former_cgroups);
  if (K.h.cgroup >= 0 && dprintf(K.h.lock, "%s\n", K.h.cgroup_path) < 0) die("keeper.lock");
  open_socket();
}

static void on_signal(void)
{
  struct signalfd_siginfo info;
  while (read(K.signals, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      uint64_t next = K.scanned_at + CHILDREN_EVERY_MS;
      if (K.children_at == NEVER) K.children_at = next > K.now_ms ? next : K.now_ms;
    } else if (K.h.stopping) {
      K.h.stop_by = K.now_ms;
    } else {
      K.h.stopping = 1;
      K.h.stop_by = K.now_ms + STOP_MS;
      stop_births();
      for (uint32_t i = 0; i < K.h.slots; i++)
        if (K.slots[i].state == RUNNING || K.slots[i].state == STARTING)
          sys_pidfd_send_signal(K.slots[i].pidfd, SIGTERM);
    }
  }
}

static void dispatch(const struct epoll_event *event)
{
  enum event what = (enum event)(event->data.u64 >> 60);
  struct slot *slot = &K.slots[(uint32_t)event->data.u64];
  if (what >= ON_PIDFD && (slot->generation & 0xfffffff) != (event->data.u64 >> 32 & 0xfffffff)) return;
  switch (what) {
  case ON_LISTENER: if (K.h.connection < 0) connection_accept(); break;
  case ON_CONNECTION: connection_event(event->events); break;
  case ON_SIGNAL: on_signal(); break;
  case ON_PIDFD: exit_noticed(slot); break;
  case ON_REPORT: if (slot->state == STARTING) start_reported(slot); break;
  case ON_LINK: link_event(slot); break;
  case ON_STDIN:
    if (!slot->stdin_waiting) break;
    unwatch(slot->stdin_fd);
    slot->stdin_waiting = 0;
    notify(slot, PENDING_STDIN_READY);
    break;
  }
}

static void tick(void)
{
  static uint64_t space_at;
  K.tick_at = NEVER;
  if (K.now_ms >= space_at) {
    space_at = K.now_ms + MS_PER_S;
    logs_check_space();
  }
  if (K.trees_left && K.h.cgroup < 0) children_scan();
  K.trees_left = false;
  for (uint32_t i = 0; i < K.h.slots; i++)
    if (K.slots[i].state != FREE) slot_check(&K.slots[i]);
  if (K.used > 0) tick_before(K.now_ms + MS_PER_S);
  exits_finish();
}

/* After SIGTERM: true when nothing lives any more, and the daemon had a moment to keep the last records. */
static bool stopped(void)
{
  static uint64_t quiet_since;
  uint32_t living = 0;
  bool force = !K.h.killed && K.now_ms >= K.h.stop_by;
  for (uint32_t i = 0; i < K.h.slots; i++) {
    struct slot *slot = &K.slots[i];
    if (slot->state == FREE || slot->state == FAILED || (slot->state == EXITED_UNACKED && !slot->tree)) continue;
    living++;
    if (!force || slot->state == CLOSING) continue;
    if (slot->state == EXITED_UNACKED || slot->leaf) tree_signal(slot, SIGKILL);
    else sys_pidfd_send_signal(slot->pidfd, SIGKILL);
    slot->killing = 1;
    K.trees_left = true;
  }
  K.h.killed |= force;
  if (force) tick_before(K.now_ms);
  else if (living == 0 && quiet_since == 0) quiet_since = K.now_ms + 1;
  else if (K.h.stop_by > K.now_ms) tick_before(K.h.stop_by);
  if (living != 0) return false;
  if (K.used == 0 || K.h.connection < 0 || K.now_ms >= quiet_since + LAST_ACKNOWLEDGEMENTS_MS) return true;
  tick_before(quiet_since + LAST_ACKNOWLEDGEMENTS_MS);
  return false;
}

static bool idle(void)
{
  bool busy = K.used > 0 || K.h.connection >= 0;
  if (busy) K.idle_since = K.now_ms;
  return K.idle_exit_ms != 0 && !busy && K.now_ms >= K.idle_since + K.idle_exit_ms;
}

static int time_left(void)
{
  uint64_t next = K.tick_at < K.children_at ? K.tick_at : K.children_at;
  if (connection_deadline() < next) next = connection_deadline();
  if (K.idle_exit_ms != 0 && K.used == 0 && K.h.connection < 0 && K.idle_since + K.idle_exit_ms < next)
    next = K.idle_since + K.idle_exit_ms;
  if (connection_busy() || next <= K.now_ms) return 0;
  return next == NEVER ? -1 : next - K.now_ms > INT_MAX ? INT_MAX : (int)(next - K.now_ms);
}

static void run(void)
{
  struct epoll_event events[64];
  while (!(K.h.stopping && stopped()) && !idle()) {
    int count = epoll_wait(K.epoll, events, 64, time_left());
    K.now_ms = clock_us(CLOCK_MONOTONIC) / 1000;
    for (int i = 0; i < count; i++) dispatch(&events[i]);
    exits_finish();
    if (K.now_ms >= K.children_at) children_scan();
    if (K.now_ms >= K.tick_at) tick();
    if (K.now_ms >= connection_deadline()) connection_close();
    connection_pump();
  }
}

int main(int argc, char **argv)
{
  K.argv = argv;
  K.euid = K.owner = geteuid();
  K.egid = getegid();
  K.cgroup_mode = "auto";
  K.reserve_bytes = UINT64_C(64) << 20;
  K.max_workers = 16384;
  K.start_deadline_ms = 10000;
  K.resumed = K.h.listener = K.h.connection = K.h.lock = K.h.directory = K.h.cgroup = -1;
  K.children_at = K.tick_at = NEVER;
  if (argc > 1 && strncmp(argv[argc - 1], "--resume=", 9) == 0) K.resumed = atoi(argv[argc - 1] + 9);
  parse_options(argc, argv);
  K.now_ms = K.idle_since = clock_us(CLOCK_MONOTONIC) / 1000;
  prepare_process();
  if (K.resumed < 0) {
    start_fresh();
  } else {
    if (!resume(K.resumed)) die("upgrade");
    if (K.h.cgroup >= 0) cgroup_look_again();
    if (!policy_load(K.policy_path)) say("workers may run as the owner alone");
    K.tick_at = K.children_at = K.now_ms;
  }
  say("%s %s, cgroups %s", K.resumed < 0 ? "started, version" : "upgraded to version", KEEPER_VERSION,
      K.h.cgroup >= 0 ? K.h.cgroup_path : "not used");
  run();
  if (K.used > 0) say("stopped; %u exit records that nobody acknowledged are lost", (unsigned)K.used);
  connection_close();
  unlink(K.socket_path);
  for (uint32_t i = 0; i < K.h.slots; i++)
    if (K.slots[i].state != FREE && K.slots[i].leaf) cgroup_remove(K.slots[i].id);
  if (former_cgroups[0] == '/') cgroup_sweep(former_cgroups);
  cgroup_teardown();
  return 0;
}

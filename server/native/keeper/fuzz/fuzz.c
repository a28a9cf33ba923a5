/*
 * Feeds mutated requests to the decoder and the dispatcher, over a socket as the daemon would, with the kernel's
 * process calls replaced: nothing is started and nobody is signalled. Deterministic for a seed, which it prints.
 *
 * keeper-fuzz [seconds [seed]]
 */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST_SLOTS 36 /* full at times: there are 40 ids */
struct keeper K;
static uint64_t seed, random_state;
static int peer = -1;

static uint32_t roll(uint32_t limit)
{
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 20) % limit;
}

void say(const char *format, ...) { (void)format; }
uint64_t clock_us(int clock) { return clock == CLOCK_MONOTONIC ? K.now_ms * 1000 : UINT64_C(1700000000000000); }
void tick_before(uint64_t ms) { if (ms < K.tick_at) K.tick_at = ms; }
_Noreturn void child_run(const struct start *start) { (void)start; abort(); }
bool process_mark(pid_t pid, uint8_t id[ID_BYTES]) { (void)pid; (void)id; return false; }
bool is_worker(pid_t pid, const uint8_t id[ID_BYTES]) { (void)pid; (void)id; return roll(4) != 0; }
bool sits_in_leaf(pid_t pid, const uint8_t id[ID_BYTES]) { (void)pid; (void)id; return roll(2) != 0; }
bool is_in_leaf(int tasks, const uint8_t id[ID_BYTES]) { (void)tasks; (void)id; return roll(2) != 0; }
int upgrade(const struct request *request) { return request->path.length == 0 ? EINVAL : ENOEXEC; }

/* One that epoll takes: else every start would end at once. */
static int some_descriptor(void) { return eventfd(0, EFD_CLOEXEC); }

pid_t sys_clone(int *pidfd, int cgroup)
{
  static pid_t next = 500000000; /* no kernel gives such numbers */
  (void)cgroup;
  if (roll(8) == 0) return errno = EAGAIN, -1;
  *pidfd = some_descriptor();
  return next++;
}
int sys_pidfd_open(pid_t pid) { return pid == getpid() ? some_descriptor() : (errno = ESRCH, -1); }
int sys_pidfd_send_signal(int pidfd, int signal)
{
  (void)pidfd;
  return signal > 31 ? (errno = EINVAL, -1) : 0;
}
int sys_waitid(int kind, int which, siginfo_t *info, int options, struct rusage *usage)
{
  (void)kind; (void)which; (void)options; (void)usage;
  memset(info, 0, sizeof *info);
  if (roll(4) == 0) return 0;
  if (roll(16) == 0) return errno = ECHILD, -1;
  info->si_pid = 1;
  info->si_code = 1 + (int)roll(3);
  info->si_status = (int)roll(256);
  return 0;
}
bool sys_pidfd_exit_status(int pidfd, int *status)
{
  (void)pidfd;
  *status = (int)roll(65536);
  return roll(2) == 0;
}

static void require(bool condition, const char *what)
{
  if (condition) return;
  fprintf(stderr, "broken: %s (seed %llu)\n", what, (unsigned long long)seed);
  abort();
}

static int peers[MOST_SLOTS];

/* Nobody holds the other end of a link that the keeper made, so the slot gets one of ours. */
static void give_link(struct slot *slot)
{
  int pair[2], on = 1, *other = &peers[slot_index(slot)];
  require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0, "a link");
  setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  if (*other > 0) close(*other);
  *other = pair[1];
  close_fd(&slot->link_fd);
  slot->link_fd = pair[0];
  watch(ON_LINK, slot, pair[0], EPOLLIN);
}

/* What a process says over its link, sense and nonsense. */
static void speak(struct slot *slot)
{
  static const size_t lengths[] = {1, 9, 17, 21, 40};
  give_link(slot);
  int peer_fd = peers[slot_index(slot)];
  for (uint32_t packets = roll(4); packets > 0; packets--) {
    uint8_t packet[600] = {(uint8_t)"BSELRNX?"[roll(8)], (uint8_t)roll(40)};
    if (slot->state == UNBORN && roll(2) == 0) packet[0] = 'B';
    size_t right = packet[0] == 'B' ? 17 : packet[0] == 'X' ? 40 : packet[0] == 'R' || packet[0] == 'N' ? 1 : 9;
    size_t length = roll(4) == 0 ? roll(sizeof packet) : roll(4) == 0 ? lengths[roll(5)] : right;
    if (packet[0] == 'E' || roll(4) == 0)
      for (size_t i = 1; i < sizeof packet; i++) packet[i] = roll(3) == 0 ? (uint8_t)roll(256) : 0;
    if (packet[0] == 'E') packet[1] = (uint8_t)roll(16);
    if (packet[0] == 'X') packet[17] = (uint8_t)roll(3);
    if (send(peer_fd, packet, length, MSG_NOSIGNAL) < 0) break;
  }
  if (roll(4) == 0) shutdown(peer_fd, SHUT_RDWR);
  link_event(slot);
}

/* A running worker that serves forks, if there is one. */
static const struct slot *some_server(void)
{
  for (uint32_t i = roll(MOST_SLOTS), left = MOST_SLOTS; left > 0; left--, i = (i + 1) % MOST_SLOTS) {
    struct slot *slot = &K.slots[i];
    if (i >= K.h.slots || slot->state != RUNNING) continue;
    if (slot->link_fd < 0) give_link(slot);
    slot->serving = SERVES;
    return slot;
  }
  return NULL;
}

static uint8_t frame_bytes[256 << 10];

/* A request that makes sense; ids come from a small set so that requests meet. */
static size_t make_request(void)
{
  struct writer w = {.bytes = frame_bytes, .capacity = sizeof frame_bytes};
  static const enum type types[] = {HELLO, SPAWN, SPAWN, SPAWN, SIGNAL, ACK_EXIT, ACK_EXIT, WRITE_STDIN, WRITE_STDIN,
                                    LIST, SCAN_LOGS, REMOVE, UPGRADE, SHUTDOWN, ADOPT, FORK, FORK, FORK, GO, GO, PIN,
                                    UNSERVE, (enum type)200};
  uint8_t id[ID_BYTES] = {(uint8_t)roll(40)}, bytes[64];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)roll(256);
  enum type type = types[roll(sizeof types / sizeof types[0])];
  for (uint32_t i = 0; type == GO && i < K.h.slots; i++)
    if (K.slots[i].state == HELD) memcpy(id, K.slots[i].id, ID_BYTES);
  begin_frame(&w, type, roll(1000));
  if (type == HELLO) {
    put_u32(&w, TAG_VERSION_MIN, 1);
    put_u32(&w, TAG_VERSION_MAX, 1 + roll(3));
  }
  if (type != HELLO && type != LIST) put_bytes(&w, TAG_ID, id, sizeof id);
  if (type == FORK || type == GO) {
    const struct slot *server = some_server();
    if (server != NULL) put_bytes(&w, TAG_SERVER, server->id, ID_BYTES);
    put_u32(&w, TAG_FLAGS, roll(128));
  }
  if (type == PIN) put_bytes(&w, TAG_CPUS, bytes, roll(16));
  if (roll(16) == 0) put_string(&w, TAG_LIMIT, "memory.max=1000000");
  if (type == SPAWN || type == UPGRADE) put_string(&w, TAG_PATH, "/bin/true");
  if (type == SPAWN) {
    for (uint32_t i = roll(6); i > 0; i--) put_bytes(&w, TAG_ARG, "argument", roll(9));
    for (uint32_t i = roll(6); i > 0; i--) put_bytes(&w, TAG_ENV, "NAME=value", roll(11));
    put_string(&w, TAG_CWD, "/");
    put_bytes(&w, TAG_CPUS, bytes, roll(16));
    put_bytes(&w, TAG_RLIMIT, bytes, 20);
    put_u32(&w, TAG_FLAGS, roll(3) == 0 ? FLAG_LINK | FLAG_HOLD : roll(128));
    put_u64(&w, TAG_LOG_MAX_BYTES, roll(1 << 20));
    if (roll(8) == 0) put_u32(&w, TAG_UID, roll(3));
  }
  put_u32(&w, TAG_SIGNAL, roll(70));
  put_u32(&w, TAG_SCOPE, roll(3) == 0);
  put_u64(&w, TAG_OFFSET, roll(100));
  put_bytes(&w, TAG_DATA, bytes, roll(sizeof bytes));
  put_u32(&w, TAG_CLOSE, roll(8) == 0);
  struct process_stat self = {0};
  if (type == ADOPT && read_process_stat(getpid(), &self)) {
    put_u32(&w, TAG_PID, (uint32_t)getpid());
    put_u64(&w, TAG_START_TICKS, self.start_ticks);
  }
  require(end_frame(&w), "a request fits");
  return w.end;
}

static size_t mutate(size_t length)
{
  for (uint32_t changes = roll(3) == 0 ? 1 + roll(6) : 0; changes > 0; changes--) {
    size_t at = roll((uint32_t)length);
    switch (roll(5)) {
    case 0: frame_bytes[at] = (uint8_t)roll(256); break;
    case 1: frame_bytes[at] ^= (uint8_t)(1u << roll(8)); break;
    case 2: frame_bytes[at] = "\0\xff\x7f\x80"[roll(4)]; break;
    case 3: /* drop a piece */
      if (length > 16) {
        size_t piece = 1 + roll(8) % (length - at);
        memmove(frame_bytes + at, frame_bytes + at + piece, length - at - piece);
        length -= piece;
      }
      break;
    default: /* repeat a piece */
      if (length < 4096) {
        size_t piece = 1 + roll(32) % (length - at);
        memmove(frame_bytes + at + piece, frame_bytes + at, length - at);
        length += piece;
      }
    }
    if (length == 0) length = 1;
  }
  return length;
}

static void new_connection(void)
{
  int pair[2];
  if (peer >= 0) close(peer);
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0, "a socket pair");
  peer = pair[1];
  K.h.connection = pair[0];
  K.h.greeted = 1;
  K.in_begin = K.in_end = K.out.begin = K.out.end = 0;
  K.end_of_input = K.discard = false;
  watch(ON_CONNECTION, NULL, pair[0], EPOLLIN);
}

/* The answers are themselves well-formed frames. */
static void read_answers(void)
{
  static uint8_t bytes[1 << 20];
  static size_t filled;
  ssize_t got;
  if (K.h.connection < 0 || peer < 0) filled = 0;
  while (peer >= 0 && (got = read(peer, bytes + filled, sizeof bytes - filled)) > 0) {
    filled += (size_t)got;
    size_t at = 0;
    struct request frame;
    for (long length; (length = decode_request(bytes + at, filled - at, &frame)) != 0; at += (size_t)length)
      require(length > 0, "an answer is a frame");
    memmove(bytes, bytes + at, filled - at);
    filled -= at;
  }
}

/* What born() does, with a process that there is not. */
static void give_birth(struct slot *slot)
{
  static pid_t next = 400000000;
  slot->state = slot->hold ? HELD : STARTING;
  slot->step = slot->hold ? STEP_BIRTH : STEP_SPECIFICATION;
  slot->pidfd = some_descriptor();
  slot_set_pid(slot, next++);
  if (slot->hold) notify(slot, PENDING_BORN);
}

/* Time passes, and workers end. */
static void live(void)
{
  K.now_ms += roll(2000);
  for (uint32_t i = 0; i < K.h.slots; i++) {
    struct slot *slot = &K.slots[i];
    if (slot->state == FREE) continue;
    if (slot->state == UNBORN && roll(3) == 0) give_birth(slot);
    if (slot->state == STARTING && slot->hold != 0) waits(slot, slot->pid, 1, 2);
    if (slot->link_fd >= 0 && roll(2) == 0) speak(slot);
    if (slot->pidfd >= 0 && slot->state != EXITED_UNACKED && roll(6) == 0) exit_noticed(slot);
    if (slot->state != FREE && roll(4) == 0) slot_check(slot);
  }
  exits_finish();
  uint32_t used = 0;
  for (uint32_t i = 0; i < K.h.slots; i++) {
    used += K.slots[i].state != FREE;
    if (K.slots[i].state != FREE) require(slot_any(K.slots[i].id) != NULL, "a slot is found by its id");
  }
  require(used == K.used, "used slots are counted");
  require(K.out.begin <= K.out.end && K.out.end <= K.out.capacity, "output is bounded");
}

static void prepare(const char *directory)
{
  K.owner = K.euid = geteuid();
  K.egid = K.owner_gid = getegid();
  K.cgroup_mode = "none";
  K.directory_path = directory;
  K.max_workers = MOST_SLOTS;
  K.start_deadline_ms = 1000;
  K.children_at = K.tick_at = NEVER;
  K.h.listener = K.h.cgroup = K.h.connection = -1;
  K.h.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  K.h.features = FEATURE_PUNCH | FEATURE_EXIT_INFO;
  K.null = open("/dev/null", O_RDWR | O_CLOEXEC);
  K.epoll = epoll_create1(EPOLL_CLOEXEC);
  K.in = mmap(NULL, FRAME_MAX + (512u << 10), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  K.out.bytes = malloc(K.out.capacity = 256u << 10);
  require(table_create() && K.h.directory >= 0, "preparation");
}

int main(int argc, char **argv)
{
  char directory[] = "/tmp/keeper-fuzz-XXXXXX";
  double seconds = argc > 1 ? atof(argv[1]) : 10;
  seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
  random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
  signal(SIGPIPE, SIG_IGN);
  require(mkdtemp(directory) != NULL, "a directory");
  prepare(directory);
  printf("seed %llu\n", (unsigned long long)seed);
  fflush(stdout);
  unsigned long requests = 0, connections = 0;
  for (time_t end = time(NULL) + (time_t)seconds; time(NULL) < end; requests++) {
    if (K.h.connection < 0) {
      new_connection();
      connections++;
    }
    size_t length = mutate(make_request());
    if (write(peer, frame_bytes, length) < 0 && errno != EAGAIN) require(errno == EPIPE, "a write");
    if (roll(400) == 0) shutdown(peer, SHUT_RDWR);
    connection_event(roll(50) == 0 ? EPOLLIN | EPOLLHUP : EPOLLIN);
    connection_pump();
    K.h.stopping = K.h.killed = 0; /* a SHUTDOWN that was granted */
    if (roll(3) != 0) read_answers();
    if (roll(5) == 0) live();
  }
  if (K.h.connection >= 0) connection_close();
  for (uint32_t i = 0; i < K.h.slots; i++)
    if (K.slots[i].state != FREE) slot_free(&K.slots[i]);
  for (int i = 0; i < 256; i++) logs_remove((uint8_t[ID_BYTES]){(uint8_t)i});
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", directory); /* mutated ids */
  require(system(command) == 0, "removal");
  printf("%lu requests, %lu connections\n", requests, connections);
  free(K.out.bytes);
  return 0;
}

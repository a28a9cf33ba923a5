/* One function per request of the protocol. Answers always fit: no request is taken while the buffer is short. */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define STDIN_MOST (64u << 10)

void reply_ok(uint32_t request)
{
  begin_frame(&K.out, OK, request);
  end_frame(&K.out);
}

void reply_error(uint32_t request, int error, const char *message)
{
  begin_frame(&K.out, ERROR, request);
  put_u32(&K.out, TAG_ERRNO, (uint32_t)error);
  if (message != NULL) put_string(&K.out, TAG_MESSAGE, message);
  end_frame(&K.out);
}

static void reply(const struct request *request, int error)
{
  if (error == 0) reply_ok(request->number);
  else reply_error(request->number, error, NULL);
}

static void hello(const struct request *request)
{
  if (!request->valid || request->version_min > PROTOCOL_VERSION || request->version_max < PROTOCOL_VERSION) {
    reply_error(request->number, EPROTONOSUPPORT, "this keeper speaks protocol version 1");
    K.h.greeted = false;
    return;
  }
  struct writer *out = &K.out;
  struct process_stat self = {0};
  struct stat namespace = {0};
  char boot[64] = "";
  read_process_stat(getpid(), &self);
  stat("/proc/self/ns/pid", &namespace);
  read_file(-1, "/proc/sys/kernel/random/boot_id", boot, sizeof boot);
  boot[strcspn(boot, "\n")] = '\0';
  K.h.greeted = true;
  K.h.flowing = false;
  begin_frame(out, WELCOME, request->number);
  put_u32(out, TAG_VERSION_MIN, PROTOCOL_VERSION);
  put_u32(out, TAG_VERSION_MAX, PROTOCOL_VERSION);
  put_string(out, TAG_KEEPER_VERSION, KEEPER_VERSION);
  put_u32(out, TAG_PID, (uint32_t)getpid());
  put_u64(out, TAG_START_TICKS, self.start_ticks);
  put_string(out, TAG_BOOT_ID, boot);
  put_u64(out, TAG_PID_NAMESPACE, namespace.st_ino);
  put_bytes(out, TAG_INSTANCE, K.h.instance, sizeof K.h.instance);
  put_u32(out, TAG_FEATURES, K.h.features);
  put_u32(out, TAG_MAX_WORKERS, K.max_workers);
  put_string(out, TAG_DIRECTORY, K.directory_path);
  if (K.h.cgroup >= 0) put_string(out, TAG_CGROUP, K.h.cgroup_path);
  end_frame(out);
}

static int send_signal(const struct request *request)
{
  struct slot *slot = slot_by_id(request->id), *unborn = slot == NULL ? slot_any(request->id) : NULL;
  if (!has(request, TAG_SIGNAL) || request->signal > 64 || request->scope > 1) return EINVAL;
  if (unborn != NULL && unborn->state == UNBORN && request->signal == SIGKILL) {
    never_born(unborn, STEP_BIRTH, EINTR, NULL);
    return 0;
  }
  if (slot == NULL) return ESRCH;
  if (request->scope == 1) {
    if (slot->state == EXITED_UNACKED && !slot->tree) return ESRCH;
    bool found = tree_signal(slot, (int)request->signal) > 0;
    if (slot->killing) {
      K.trees_left = true;
      tick_before(K.now_ms);
    }
    return found ? 0 : ESRCH;
  }
  if (slot->state == EXITED_UNACKED) return ESRCH;
  return sys_pidfd_send_signal(slot->pidfd, (int)request->signal) == 0 ? 0 : errno;
}

static void reply_stdin(const struct request *request, const struct slot *slot)
{
  begin_frame(&K.out, STDIN, request->number);
  put_u64(&K.out, TAG_OFFSET, slot->stdin_offset);
  put_u32(&K.out, TAG_CLOSE, slot->stdin_closed);
  end_frame(&K.out);
}

static void reply_stdin_error(const struct request *request, const struct slot *slot, int error)
{
  begin_frame(&K.out, ERROR, request->number);
  put_u32(&K.out, TAG_ERRNO, (uint32_t)error);
  put_u64(&K.out, TAG_OFFSET, slot->stdin_offset);
  end_frame(&K.out);
}

static void close_stdin(struct slot *slot)
{
  close_fd(&slot->stdin_fd);
  slot->stdin_closed = 1;
  slot->stdin_waiting = 0;
}

/* What comes before the next offset was taken already: a request that is sent again changes nothing. */
static void write_stdin(const struct request *request)
{
  struct slot *slot = slot_by_id(request->id);
  if (slot == NULL || request->data.length > STDIN_MOST) {
    reply(request, slot == NULL ? ESRCH : EINVAL);
    return;
  }
  uint64_t offset = has(request, TAG_OFFSET) ? request->offset : slot->stdin_offset;
  if (offset > slot->stdin_offset) {
    reply_stdin_error(request, slot, ERANGE);
    return;
  }
  uint64_t known = slot->stdin_offset - offset;
  size_t skip = known < request->data.length ? (size_t)known : request->data.length;
  size_t left = request->data.length - skip;
  bool repeated = left == 0 && known > 0 && (slot->flags & FLAG_STDIN_PIPE);
  if (slot->stdin_fd < 0 && !repeated) {
    reply(request, EPIPE);
    return;
  }
  if (left != 0) {
    ssize_t written = write(slot->stdin_fd, request->data.bytes + skip, left);
    if (written < 0 && errno != EAGAIN) {
      reply(request, errno);
      close_stdin(slot);
      return;
    }
    if (written > 0) {
      slot->stdin_offset += (uint64_t)written;
      left -= (size_t)written;
    }
  }
  if (left != 0 && !slot->stdin_waiting) {
    slot->stdin_waiting = watch(ON_STDIN, slot, slot->stdin_fd, EPOLLOUT);
    if (!slot->stdin_waiting) { /* nobody would say when there is room: the caller asks again by itself */
      reply_stdin_error(request, slot, errno);
      return;
    }
  }
  if (left == 0 && request->close == 1 && slot->stdin_fd >= 0) close_stdin(slot);
  reply_stdin(request, slot);
}

static void list(const struct request *request)
{
  K.listing = 1;
  K.list_request = request->number;
  K.list_clears = !K.h.flowing;
}

static void scan_logs(const struct request *request)
{
  struct slot *slot = slot_by_id(request->id);
  if (slot == NULL) {
    reply(request, ESRCH);
    return;
  }
  /* A reader may have come further than our last look: a file that is shorter than that was truncated. */
  for (int i = 0; i < 2; i++) {
    const uint64_t *seen = request->seen[i];
    if (!has(request, i == 0 ? TAG_STDOUT_POSITION : TAG_STDERR_POSITION)) continue;
    if (seen[0] == slot->streams[i].epoch && seen[2] > slot->streams[i].end) slot->streams[i].end = seen[2];
  }
  logs_scan(slot, true);
  begin_frame(&K.out, LOGS, request->number);
  put_positions(&K.out, slot);
  end_frame(&K.out);
}

/* The leaf is another one than under the keeper that died. */
static void take_over(const struct request *request)
{
  char path[sizeof K.h.cgroup_path + NAME_BYTES + 1];
  int error = adopt(request);
  if (error != 0) {
    reply_error(request->number, error, NULL);
    return;
  }
  const struct slot *slot = slot_by_id(request->id);
  begin_frame(&K.out, OK, request->number);
  if (slot != NULL && slot->leaf) {
    cgroup_leaf_path(slot, path, sizeof path);
    put_string(&K.out, TAG_CGROUP, path);
  }
  end_frame(&K.out);
}

static int unserve(const struct request *request)
{
  struct slot *slot = slot_by_id(request->id);
  if (slot == NULL) return ESRCH;
  if (slot->serving == SERVES_NOT) return EINVAL;
  if (slot->serving == SERVES && !link_send(slot, "U", 1, NULL, 0)) return errno;
  slot->serving = SERVES_NO_MORE;
  return 0;
}

static int acknowledge(const struct request *request)
{
  struct slot *slot = slot_by_id(request->id);
  if (slot == NULL) return ESRCH;
  return slot->state == EXITED_UNACKED && close_worker(slot) ? 0 : EBUSY;
}

static int remove_directory(const struct request *request)
{
  struct slot *slot = slot_any(request->id);
  if (slot != NULL && slot->state != CLOSING) return EBUSY;
  return logs_remove(request->id);
}

static void shut_down(const struct request *request)
{
  bool busy = false;
  for (uint32_t i = 0; i < K.h.slots; i++) busy |= K.slots[i].state != FREE && K.slots[i].state != CLOSING;
  reply(request, busy ? EBUSY : 0);
  if (!busy) K.h.stopping = K.h.killed = 1;
}

/* Their refusals are notices. */
static bool is_start(uint16_t type) { return type == SPAWN || type == FORK || type == GO; }

void answer(const struct request *request)
{
  bool about_worker = request->type != HELLO && request->type != LIST && request->type != UPGRADE && request->type != SHUTDOWN;
  switch (request->type) {
  case HELLO: hello(request); return;
  case SPAWN: case SIGNAL: case ACK_EXIT: case WRITE_STDIN: case LIST: case SCAN_LOGS: case REMOVE: case UPGRADE:
  case SHUTDOWN: case ADOPT: case FORK: case GO: case PIN: case UNSERVE: break;
  default: reply(request, ENOSYS); return;
  }
  bool has_id = has(request, TAG_ID);
  if ((about_worker && !has_id) || (!request->valid && !is_start(request->type))) {
    reply(request, EINVAL);
    return;
  }
  switch (request->type) {
  case SPAWN: spawn(request); break;
  case SIGNAL: reply(request, send_signal(request)); break;
  case ACK_EXIT: reply(request, acknowledge(request)); break;
  case WRITE_STDIN: write_stdin(request); break;
  case LIST: list(request); break;
  case SCAN_LOGS: scan_logs(request); break;
  case REMOVE: reply(request, remove_directory(request)); break;
  case UPGRADE: reply(request, upgrade(request)); break;
  case SHUTDOWN: shut_down(request); break;
  case ADOPT: take_over(request); break;
  case FORK: fork_worker(request); break;
  case GO: go(request); break;
  case PIN: reply(request, pin(request)); break;
  case UNSERVE: reply(request, unserve(request)); break;
  default: break;
  }
}

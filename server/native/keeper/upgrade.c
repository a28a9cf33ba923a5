/*
 * Becoming another version without losing a child: state goes into a memfd, descriptors stay open, execve. The
 * structures carry their sizes and only ever grow at the end, so either version may be the newer one.
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATE_MARK "forkbus-keeper state, format 1"
struct head {
  char mark[32];
  uint32_t handover_size, slot_size, in_length, out_length;
};
static const struct head mark = {.mark = STATE_MARK};
/* An older program, without this mark, would lose what hangs on a link. */
static const char links_mark[32] = "forkbus-keeper links, format 1";

static bool links_exist(void)
{
  for (uint32_t i = 0; i < K.h.slots; i++)
    if (K.slots[i].state != FREE && (K.slots[i].link_fd >= 0 || K.slots[i].state == UNBORN)) return true;
  return false;
}

/* A program that does not hold the mark is no keeper, and executing it would lose every worker. */
static int open_keeper(const struct request *request, char path[PATH_MAX])
{
  struct stat stat;
  if (request->path.length == 0 || request->path.length >= PATH_MAX) return -(errno = EINVAL);
  memcpy(path, request->path.bytes, request->path.length);
  path[request->path.length] = '\0';
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  bool trusted = fstat(fd, &stat) == 0 && (stat.st_uid == 0 || stat.st_uid == K.euid) && (stat.st_mode & 022) == 0;
  void *program = trusted && S_ISREG(stat.st_mode) && stat.st_size > 0
                      ? mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
  errno = trusted ? ENOEXEC : EPERM;
  bool good = program != MAP_FAILED && memmem(program, (size_t)stat.st_size, mark.mark, sizeof mark.mark) != NULL;
  if (good && links_exist() && memmem(program, (size_t)stat.st_size, links_mark, sizeof links_mark) == NULL) {
    good = false;
    errno = ENOTSUP;
  }
  if (program != MAP_FAILED) munmap(program, (size_t)stat.st_size);
  if (good) return fd;
  close(fd);
  return -1;
}

static void keep_over_exec(int fd, bool keep)
{
  if (fd >= 0) fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static void keep_all(bool keep)
{
  const int fds[] = {K.h.listener, K.h.connection, K.h.lock, K.h.directory, K.h.cgroup};
  for (int i = 0; i < 5; i++) keep_over_exec(fds[i], keep);
  for (uint32_t i = 0; i < K.h.slots; i++) {
    struct slot *slot = &K.slots[i];
    if (slot->state == FREE) continue;
    keep_over_exec(slot->pidfd, keep);
    keep_over_exec(slot->report_fd, keep);
    keep_over_exec(slot->stdin_fd, keep);
    keep_over_exec(slot->link_fd, keep);
    for (int j = 0; j < GO_FDS; j++) keep_over_exec(slot->go_fds[j], keep);
  }
}

static bool transfer(int fd, void *bytes, size_t length, bool out)
{
  for (size_t done = 0; done < length;) {
    ssize_t n = out ? write(fd, (char *)bytes + done, length - done) : read(fd, (char *)bytes + done, length - done);
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

static int save_state(const struct request *request)
{
  uint8_t *next = request->fields.bytes + request->fields.length; /* after the UPGRADE itself */
  struct head head = mark;
  head.handover_size = sizeof K.h;
  head.slot_size = sizeof(struct slot);
  head.in_length = (uint32_t)(K.in + K.in_end - next);
  head.out_length = (uint32_t)(K.out.end - K.out.begin);
  int fd = memfd_create("forkbus-keeper", 0);
  if (fd >= 0 && transfer(fd, &head, sizeof head, true) && transfer(fd, &K.h, sizeof K.h, true) &&
      transfer(fd, K.slots, K.h.slots * sizeof(struct slot), true) && transfer(fd, next, head.in_length, true) &&
      transfer(fd, K.out.bytes + K.out.begin, head.out_length, true) && lseek(fd, 0, SEEK_SET) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

/* Returns only on failure, with the error; the keeper then goes on as before. */
int upgrade(const struct request *request)
{
  static char path[PATH_MAX];
  char option[32], *arguments[64];
  int count = 0, error, program = open_keeper(request, path);
  if (program < 0) return errno;
  if (!policy_check(K.policy_path)) { /* as the other program would */
    close(program);
    return EINVAL;
  }
  for (; K.argv[count] != NULL && count < 60; count++) arguments[count] = K.argv[count];
  if (count > 1 && strncmp(arguments[count - 1], "--resume=", 9) == 0) count--;
  arguments[0] = path;
  arguments[count] = option;
  arguments[count + 1] = NULL;
  struct writer before = K.out;
  reply_ok(request->number);
  int memory = save_state(request);
  if (memory >= 0) {
    snprintf(option, sizeof option, "--resume=%d", memory);
    keep_all(true);
    /* The file that was looked at, whatever its path means by now. */
    syscall(SYS_execveat, program, "", arguments, environ, AT_EMPTY_PATH);
    error = errno;
    keep_all(false);
    close(memory);
  } else {
    error = errno;
  }
  K.out.end = K.out.begin + (before.end - before.begin); /* it did not happen */
  close(program);
  return error;
}

static bool load_part(int memory, void *to, size_t size, uint32_t stored)
{
  char rest[256];
  if (!transfer(memory, to, size < stored ? size : stored, false)) return false;
  for (size_t extra = stored > size ? stored - size : 0; extra > 0;) {
    size_t part = extra < sizeof rest ? extra : sizeof rest;
    if (!transfer(memory, rest, part, false)) return false;
    extra -= part;
  }
  return true;
}

/* To a keeper that knew nothing of links, 0 was no descriptor. */
static bool load_slot(int memory, struct slot *slot, uint32_t stored)
{
  if (!load_part(memory, slot, sizeof *slot, stored)) return false;
  if (stored >= offsetof(struct slot, uid)) return true;
  slot->link_fd = -1;
  for (int i = 0; i < GO_FDS; i++) slot->go_fds[i] = -1;
  return true;
}

static bool watch_slot(struct slot *slot)
{
  if (slot->report_fd >= 0 && !watch(ON_REPORT, slot, slot->report_fd, EPOLLIN)) return false;
  bool alive = slot->state == STARTING || slot->state == HELD || slot->state == DYING ||
               (slot->state == RUNNING && (slot->deadline_ms == 0 || !slot->foreign));
  if (alive && slot->pidfd >= 0 && !watch(ON_PIDFD, slot, slot->pidfd, EPOLLIN)) return false;
  if (slot->link_fd >= 0 && !watch(ON_LINK, slot, slot->link_fd, EPOLLIN)) return false;
  return !slot->stdin_waiting || watch(ON_STDIN, slot, slot->stdin_fd, EPOLLOUT);
}

/*
 * The other half, in the new program. False with the state untouched when the kernel lacks something now; then it
 * may be tried again with the same memory. What is no state at all ends the program.
 */
bool resume(int memory)
{
  struct head head;
  bool good = transfer(memory, &head, sizeof head, false) && memcmp(head.mark, mark.mark, sizeof mark.mark) == 0 &&
              load_part(memory, &K.h, sizeof K.h, head.handover_size);
  if (good && K.max_workers < K.h.slots) K.max_workers = K.h.slots;
  if (good && !table_create()) return false;
  for (uint32_t i = 0; good && i < K.h.slots; i++)
    good = load_slot(memory, &K.slots[i], head.slot_size);
  if (!good || head.in_length > IN_BYTES || head.out_length > OUT_BYTES ||
      !transfer(memory, K.in, head.in_length, false) || !transfer(memory, K.out.bytes, head.out_length, false)) {
    say("--resume needs the state of a keeper");
    exit(1);
  }
  K.in_end = head.in_length;
  K.out.end = head.out_length;
  bool connected = K.h.connection >= 0;
  if (!watch(ON_LISTENER, NULL, K.h.listener, connected ? 0 : EPOLLIN)) return false;
  if (connected && !watch(ON_CONNECTION, NULL, K.h.connection, EPOLLIN)) return false;
  for (uint32_t i = 0; i < K.h.slots; i++)
    if (K.slots[i].state != FREE && !watch_slot(&K.slots[i])) return false;
  close(memory);
  table_link();
  keep_all(false);
  for (uint32_t i = 0; i < K.h.slots; i++) {
    struct slot *slot = &K.slots[i];
    slot->queued = slot->queue = 0;
    if (slot->state != FREE && slot->pending != 0) notify(slot, slot->pending);
  }
  K.trees_left = true;
  return true;
}

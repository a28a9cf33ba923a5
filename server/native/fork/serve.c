#define _GNU_SOURCE
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "birth.h"
#include "packet.h"

enum { LINK = 3, RESULT = 4, RESERVED = 5, GO_FILES = 5, ID_BYTES = 16, HELD_FLAG = 1, NAME_BYTES = 15 };
static const char ID_NAME[] = "FORKBUS_PROCESS_ID=";

const int32_t forkbus_fork_version = FORKBUS_FORK_VERSION;

/* A program may have closed some of 0 to 4; what arrives there would be overwritten by what belongs there. */
static bool leave_reserved(struct packet *packet) {
  for (int i = 0; i < packet->file_count; i++) {
    if (packet->files[i] >= RESERVED) continue;
    const int moved = fcntl(packet->files[i], F_DUPFD_CLOEXEC, RESERVED);
    if (moved < 0) return false;
    close(packet->files[i]);
    packet->files[i] = moved;
  }
  return true;
}

/* A directory has a link from each of those in it, from itself and from its parent. */
static bool has_threads(void) {
  struct stat tasks;
  return stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink > 3;
}

/* Something else may have taken the block over since: programs that set their title do. */
static char *place_of_id(char *variable) {
  if (variable == NULL || memcmp(variable, ID_NAME, sizeof ID_NAME - 1) != 0) return NULL;
  return variable + sizeof ID_NAME - 1;
}

static void refuse(const uint8_t *id, int error) {
  uint8_t answer[1 + ID_BYTES + 4 + 64] = {'X'};
  const uint32_t number = (uint32_t)error;
  memcpy(answer + 1, id, ID_BYTES);
  for (int byte = 0; byte < 4; byte++) answer[1 + ID_BYTES + byte] = (uint8_t)(number >> (8 * byte));
  const size_t head = 1 + ID_BYTES + 4;
  const int length = snprintf((char *)answer + head, sizeof answer - head, "%s", strerror(error));
  const size_t text = length < 0 ? 0 : (size_t)length < sizeof answer - head ? (size_t)length : sizeof answer - head - 1;
  (void)!send(LINK, answer, head + text, MSG_NOSIGNAL);
}

/* 0 in the child, which the interpreter knows by then. */
static pid_t fork_for(const struct forkbus_interpreter *interpreter, const struct packet *packet) {
  static const char digits[] = "0123456789abcdef";
  char id[2 * ID_BYTES + 1] = {0};
  for (int i = 0; i < ID_BYTES; i++) {
    id[2 * i] = digits[packet->bytes[1 + i] >> 4];
    id[2 * i + 1] = digits[packet->bytes[1 + i] & 15];
  }
  const int leaf = packet->file_count > 1 ? packet->files[1] : -1;
  interpreter->before_fork();
  const pid_t child = forkbus_fork_worker(packet->files[0], leaf, packet->at, id, place_of_id(interpreter->id_in_environment));
  if (child == 0) interpreter->after_fork_in_child();
  else interpreter->after_fork_in_parent();
  return child;
}

static int receive_unlocked(const struct forkbus_interpreter *interpreter, struct packet *packet) {
  void *released = interpreter->release();
  const int failed = packet_receive(LINK, packet);
  interpreter->acquire(released);
  return failed;
}

int forkbus_serve(const struct forkbus_interpreter *interpreter, uint8_t *id) {
  struct packet packet;
  for (;;) {
    const int failed = receive_unlocked(interpreter, &packet);
    if (failed == -EINTR) {
      if (interpreter->run_signal_handlers() != 0) return FORKBUS_RAISED;
      continue;
    }
    if (failed < 0) return FORKBUS_ENDED;
    const uint8_t kind = packet.length == 0 ? 0 : packet.bytes[0];
    const bool held = packet.length == 2 + ID_BYTES && packet.bytes[1 + ID_BYTES] & HELD_FLAG;
    const bool order_to_fork = kind == 'F' && (packet.length == 1 + ID_BYTES || packet.length == 2 + ID_BYTES) &&
                               (packet.file_count == 1 || packet.file_count == 2);
    if (!order_to_fork) {
      packet_close(&packet);
      if (kind == 0) return FORKBUS_ENDED;
      if (kind != 'U') continue;
      (void)!send(LINK, "N", 1, MSG_NOSIGNAL);
      return FORKBUS_RELEASED;
    }
    memcpy(id, packet.bytes + 1, ID_BYTES);
    if (has_threads()) {
      packet_close(&packet);
      return FORKBUS_THREADS;
    }
    const pid_t child = leave_reserved(&packet) ? fork_for(interpreter, &packet) : -errno;
    if (child == 0) return held ? FORKBUS_HELD : forkbus_await_go();
    packet_close(&packet);
    if (child < 0) refuse(id, -child);
  }
}

int forkbus_await_go(void) {
  struct packet packet;
  if (packet_await(LINK, &packet) != 0 || packet.length != 1 || packet.bytes[0] != 'G') _exit(0);
  if (packet.file_count != GO_FILES || !leave_reserved(&packet)) _exit(0);
  /* By their numbers: what was the fork server's must never be free for a file of the user. */
  if (dup3(packet.files[1], RESULT, O_CLOEXEC) < 0) _exit(0);
  for (int number = 0; number < 3; number++) {
    if (dup2(packet.files[2 + number], number) < 0) _exit(0);
  }
  for (int i = 1; i < GO_FILES; i++) close(packet.files[i]);
  return packet.files[0];
}

void forkbus_set_title(char *arguments, uint64_t room, const char *title, const char *name) {
  char comm[NAME_BYTES + 1] = {0};
  strncpy(comm, name, NAME_BYTES);
  prctl(PR_SET_NAME, comm);
  if (arguments == NULL || room == 0) return;
  const size_t length = strnlen(title, room - 1);
  memcpy(arguments, title, length);
  memset(arguments + length, 0, room - length);
}

int forkbus_flush(void) { return fflush(NULL); }

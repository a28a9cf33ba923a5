#define _GNU_SOURCE
#include "packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void take_files(struct msghdr *message, struct packet *packet) {
  for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each != NULL; each = CMSG_NXTHDR(message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && packet->file_count < PACKET_FILES; i++) {
      memcpy(&packet->files[packet->file_count++], CMSG_DATA(each) + i * sizeof(int), sizeof(int));
    }
  }
}

int packet_receive(int socket, struct packet *packet) {
  union {
    char bytes[CMSG_SPACE(PACKET_FILES * sizeof(int))];
    struct cmsghdr aligned;
  } control;
  struct iovec part = {packet->bytes, sizeof packet->bytes};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  const ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  packet->at = monotonic_ns();
  packet->file_count = 0;
  packet->length = length > 0 ? (size_t)length : 0;
  /* The other end has gone with something unread: an end like any other. */
  if (length < 0) return errno == ECONNRESET ? 0 : -errno;
  take_files(&message, packet);
  return 0;
}

int packet_await(int socket, struct packet *packet) {
  int failed;
  do failed = packet_receive(socket, packet);
  while (failed == -EINTR);
  return failed;
}

void packet_close(const struct packet *packet) {
  for (int i = 0; i < packet->file_count; i++) close(packet->files[i]);
}

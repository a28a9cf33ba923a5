/* Packets of the link, and the descriptors that travel with them. */
#define _GNU_SOURCE
#include "zygote.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

uint64_t link_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void take_files(struct msghdr *message, struct packet *packet) {
  for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each != NULL; each = CMSG_NXTHDR(message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && packet->file_count < LINK_FILES; i++) {
      memcpy(&packet->files[packet->file_count++], CMSG_DATA(each) + i * sizeof(int), sizeof(int));
    }
  }
}

int link_receive(int socket, struct packet *packet) {
  union {
    char bytes[CMSG_SPACE(LINK_FILES * sizeof(int))];
    struct cmsghdr aligned;
  } control;
  struct iovec part = {packet->bytes, sizeof packet->bytes};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length;
  do length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  packet->at = link_now();
  packet->file_count = 0;
  packet->length = length > 0 ? (size_t)length : 0;
  /* The other end has gone with something unread: an end like any other. */
  if (length < 0) return errno == ECONNRESET ? 0 : -errno;
  take_files(&message, packet);
  return 0;
}

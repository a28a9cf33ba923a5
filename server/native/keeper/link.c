/*
 * The link to a language process (docs/FORK-SERVERS.md). What comes over it is a process's word about itself: it
 * moves that process's slot alone, and a message that is none, or that comes when it cannot, ends the link.
 */
#include "keeper.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_MAX 512
#define PACKETS_PER_TURN 16
#define PACKETS_AT_END 1024 /* more than a socket's buffer holds */
#define SEND_BUFFER (256 << 10) /* some hundred orders */

struct packet {
  uint8_t bytes[PACKET_MAX + 1];
  size_t length;
  pid_t sender; /* as the kernel says */
};

bool link_open(int *ours, int *theirs)
{
  int pair[2], on = 1, size = SEND_BUFFER;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return false;
  *ours = pair[0];
  *theirs = pair[1];
  setsockopt(*ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* room for more orders, if we may have it */
  return setsockopt(*ours, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
}

void link_close(struct slot *slot)
{
  close_fd(&slot->link_fd);
  for (int i = 0; i < GO_FDS; i++) close_fd(&slot->go_fds[i]);
  if (slot->serving == SERVES_NOT) return;
  slot->serving = SERVES_NOT;
  if (slot->state == RUNNING) notify(slot, PENDING_SERVING);
}

bool link_send(const struct slot *slot, const void *bytes, size_t length, const int *fds, int count)
{
  union {
    char bytes[CMSG_SPACE(GO_FDS * sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec data = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (count > 0) {
    size_t size = (size_t)count * sizeof(int);
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), fds, size);
  }
  return sendmsg(slot->link_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
}

/* 1 with a packet, 0 when there is none now, -1 at the end; a packet that breaks the rules is of length 0. */
static int receive(int fd, struct packet *packet)
{
  union {
    char bytes[CMSG_SPACE(sizeof(struct ucred))]; /* no room for descriptors: the kernel drops them */
    struct cmsghdr align;
  } control;
  struct iovec data = {.iov_base = packet->bytes, .iov_len = PACKET_MAX};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  ssize_t length;
  /* ECONNRESET: it ended without reading all that we had sent; what it said before is still there. */
  do length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (length < 0 && (errno == EINTR || errno == ECONNRESET));
  if (length < 0) return errno == EAGAIN ? 0 : -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  bool attested = header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS;
  if (length == 0) return -1;
  struct ucred sender = {0};
  if (attested) memcpy(&sender, CMSG_DATA(header), sizeof sender);
  packet->sender = sender.pid;
  packet->length = attested && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ? (size_t)length : 0;
  packet->bytes[length] = '\0';
  return 1;
}

static uint32_t get32(const uint8_t *bytes) { uint32_t v; memcpy(&v, bytes, 4); return v; }
static uint64_t get64(const uint8_t *bytes) { uint64_t v; memcpy(&v, bytes, 8); return v; }

static bool specialised(struct slot *slot, uint64_t when)
{
  if (slot->report_fd >= 0) start_reported(slot); /* the exec came before, but perhaps not to us */
  if (slot->state == DYING) return true;
  if (slot->state != STARTING || slot->step != STEP_SPECIFICATION) return false;
  if (slot->hold) { /* it goes on to load what it is to load, however long that takes, and will say when it waits */
    slot->step = STEP_BIRTH;
    slot->deadline_ms = NEVER;
    return true;
  }
  slot->moments[MOMENT_SPECIALISED] = when;
  start_done(slot);
  return true;
}

static bool gave_up(struct slot *slot, uint32_t step, uint32_t error)
{
  bool known = step == STEP_RLIMIT || step == STEP_AFFINITY || step == STEP_CWD || step == STEP_SPECIFICATION;
  if (slot->report_fd >= 0) start_reported(slot);
  if (slot->state == DYING) return true;
  if (slot->state != STARTING || slot->step != STEP_SPECIFICATION || !known || error == 0 || error > 4095) return false;
  start_abandon(slot, step, (int)error);
  return true;
}

static bool first_line(struct slot *slot, uint64_t when)
{
  if (slot->state != RUNNING || slot->moments[MOMENT_FIRST_LINE] != 0 || when == 0) return false;
  slot->moments[MOMENT_FIRST_LINE] = when;
  notify(slot, PENDING_FIRST_LINE);
  return true;
}

static bool serves(struct slot *slot, bool serving)
{
  if (slot->state != RUNNING) return false;
  slot->serving = serving ? SERVES : SERVES_NOT;
  notify(slot, PENDING_SERVING);
  return true;
}

/* What it was asked for may be over by now, as by its deadline: then there is nobody to tell. */
static bool refused(struct slot *server, const uint8_t *id, uint32_t error, const char *why)
{
  struct slot *slot = slot_any(id);
  if (server->state != RUNNING || error == 0 || error > 4095) return false;
  server->heard_ms = K.now_ms;
  if (slot != NULL && slot->state == UNBORN && memcmp(slot->server, server->id, ID_BYTES) == 0)
    never_born(slot, STEP_FORK, (int)error, why);
  return true;
}

/* False when this is no message, or none that can come now. */
static bool take(struct slot *slot, const struct packet *packet)
{
  const uint8_t *at = packet->bytes + 1;
  size_t length = packet->length;
  switch (length == 0 ? 0 : packet->bytes[0]) {
  case 'B':
    if (length != 17) return false;
    if (slot->state != UNBORN) return waits(slot, packet->sender, get64(at), get64(at + 8));
    born(slot, packet->sender, get64(at), get64(at + 8));
    return true;
  case 'S': return length == 9 && specialised(slot, get64(at));
  case 'E': return length == 9 && gave_up(slot, get32(at), get32(at + 4));
  case 'L': return length == 9 && first_line(slot, get64(at));
  case 'R': return length == 1 && serves(slot, true);
  case 'N': return length == 1 && serves(slot, false);
  case 'X': return length >= 21 && refused(slot, at, get32(at + ID_BYTES), (const char *)at + ID_BYTES + 4);
  default: return false;
  }
}

static void ended(struct slot *slot, bool by_rule)
{
  uint32_t step = slot->step == 0 ? STEP_SESSION : slot->step;
  if (slot->state == UNBORN) never_born(slot, STEP_BIRTH, by_rule ? EPROTO : ECHILD, NULL);
  else if (slot->state == HELD) start_abandon(slot, STEP_BIRTH, by_rule ? EPROTO : EINTR);
  else if (slot->state == STARTING && slot->report_fd < 0) start_abandon(slot, step, by_rule ? EPROTO : EINTR);
  else link_close(slot);
}

static void take_packets(struct slot *slot, int most)
{
  struct packet packet;
  for (int i = 0; i < most && slot->link_fd >= 0; i++) {
    int got = receive(slot->link_fd, &packet);
    if (got == 0) return;
    if (got < 0 || !take(slot, &packet)) ended(slot, got > 0);
  }
}

void link_event(struct slot *slot) { take_packets(slot, PACKETS_PER_TURN); }

/* Its process is over: what it said before comes first. */
void link_drain(struct slot *slot)
{
  if (slot->link_fd >= 0 && slot->state != UNBORN) take_packets(slot, PACKETS_AT_END);
}

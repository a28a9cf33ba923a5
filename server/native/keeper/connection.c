/*
 * The one connection. The next daemon waits in the backlog until everything that this one sent is processed,
 * so that it never races its predecessor's last request. Nothing here blocks; a daemon that does not read
 * stops being read from.
 */
#include "keeper.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO_MS 5000
#define REPLY_ROOM 32768 /* free space that any one answer fits into */
#define READ_CHUNK (256u << 10)
#define FRAMES_PER_TURN 64
#define IN_CAPACITY (FRAME_MAX + 4 + READ_CHUNK)

static bool paused(void) { return K.listing != 0 || K.out.capacity - (K.out.end - K.out.begin) < REPLY_ROOM; }

void connection_accept(void)
{
  struct ucred peer;
  socklen_t size = sizeof peer;
  int fd = accept4(K.h.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      (peer.uid != K.euid && peer.uid != 0 && peer.uid != K.owner)) {
    say("refused a connection of user %u", (unsigned)peer.uid);
    close(fd);
    return;
  }
  if (!watch(ON_CONNECTION, NULL, fd, EPOLLIN)) {
    close(fd);
    return;
  }
  rewatch(ON_LISTENER, NULL, K.h.listener, 0); /* not unwatch: to watch again could fail */
  K.h.connection = fd;
  K.h.greeted = K.h.flowing = 0;
  K.h.hello_by = K.now_ms + HELLO_MS;
  K.in_begin = K.in_end = K.out.begin = K.out.end = 0;
  K.end_of_input = K.discard = false;
}

void connection_close(void)
{
  if (K.h.connection < 0) return;
  close_fd(&K.h.connection);
  K.listing = 0;
  K.h.flowing = 0;
  K.idle_since = K.now_ms;
  forget_notices();
  rewatch(ON_LISTENER, NULL, K.h.listener, EPOLLIN);
}

static void flush(void)
{
  while (K.out.begin < K.out.end) {
    ssize_t sent = K.discard ? (ssize_t)(K.out.end - K.out.begin)
                             : send(K.h.connection, K.out.bytes + K.out.begin, K.out.end - K.out.begin, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) return;
    if (sent < 0) K.discard = true; /* gone; what it sent before still counts */
    else K.out.begin += (size_t)sent;
  }
  K.out.begin = K.out.end = 0;
}

void connection_event(uint32_t events)
{
  if (K.h.connection < 0) return;
  if (events & (EPOLLHUP | EPOLLERR)) K.discard = true;
  if (K.end_of_input || paused() || K.in_end == IN_CAPACITY) return;
  size_t room = IN_CAPACITY - K.in_end;
  ssize_t got = recv(K.h.connection, K.in + K.in_end, room < READ_CHUNK ? room : READ_CHUNK, 0);
  if (got > 0) K.in_end += (size_t)got;
  else if (got == 0 || (errno != EAGAIN && errno != EINTR)) K.end_of_input = true;
}

/* One frame; false when there is none to take now. */
static bool take_frame(void)
{
  struct request request;
  if (K.h.connection < 0 || paused()) return false;
  long length = decode_request(K.in + K.in_begin, K.in_end - K.in_begin, &request);
  if (length == 0) return false;
  if (length < 0 || (!K.h.greeted && request.type != HELLO)) {
    connection_close();
    return false;
  }
  answer(&request);
  K.in_begin += (size_t)length;
  if (!K.h.greeted) { /* no common version: the answer is flushed, then it closes */
    K.in_begin = K.in_end;
    K.end_of_input = true;
  }
  return true;
}

/* Moves what is left to the front, and gives the memory of a large request back. */
static void compact(void)
{
  bool large = K.in_end > READ_CHUNK;
  if (K.in_begin != 0) __builtin_memmove(K.in, K.in + K.in_begin, K.in_end - K.in_begin);
  K.in_end -= K.in_begin;
  if (large && K.in_begin != 0 && K.in_end < 4096) madvise(K.in + 4096, IN_CAPACITY - 4096, MADV_DONTNEED);
  K.in_begin = 0;
}

static bool frame_waits(void)
{
  struct request request;
  return K.in_end > K.in_begin && decode_request(K.in + K.in_begin, K.in_end - K.in_begin, &request) != 0;
}

/* True when there is input that can go on without waiting for the kernel. */
bool connection_busy(void) { return K.h.connection >= 0 && !paused() && frame_waits(); }

void connection_pump(void)
{
  for (int frames = 0; K.h.connection >= 0; frames++) {
    if (K.listing != 0) send_list();
    if (K.h.flowing && K.listing == 0) send_notices();
    if (frames < FRAMES_PER_TURN && take_frame()) continue;
    if (K.h.connection < 0) return;
    size_t waiting = K.out.end - K.out.begin;
    flush();
    if (K.out.end != 0 || waiting < K.out.capacity / 2) break; /* else there was more to say than fits at once */
  }
  if (K.h.connection < 0) return;
  compact();
  if (K.end_of_input && !frame_waits()) {
    connection_close();
    return;
  }
  bool reads = !K.end_of_input && !paused() && !frame_waits();
  rewatch(ON_CONNECTION, NULL, K.h.connection, (reads ? EPOLLIN : 0u) | (K.out.end != 0 ? EPOLLOUT : 0u));
}

uint64_t connection_deadline(void) { return K.h.connection >= 0 && !K.h.greeted ? K.h.hello_by : NEVER; }

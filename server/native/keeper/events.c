/*
 * The epoll set. An event names its slot by index and generation, so that an event which was already fetched
 * cannot reach a slot's next occupant.
 */
#include "keeper.h"
#include <sys/epoll.h>
#include <unistd.h>

static bool control(int operation, enum event event, struct slot *slot, int fd, uint32_t events)
{
  struct epoll_event registration = {.events = events};
  registration.data.u64 = (uint64_t)event << 60;
  if (slot != NULL) registration.data.u64 |= (uint64_t)(slot->generation & 0xfffffff) << 32 | slot_index(slot);
  return epoll_ctl(K.epoll, operation, fd, &registration) == 0;
}

bool watch(enum event event, struct slot *slot, int fd, uint32_t events)
{
  return control(EPOLL_CTL_ADD, event, slot, fd, events);
}

bool rewatch(enum event event, struct slot *slot, int fd, uint32_t events)
{
  return control(EPOLL_CTL_MOD, event, slot, fd, events);
}

void unwatch(int fd) { epoll_ctl(K.epoll, EPOLL_CTL_DEL, fd, NULL); }

/* A child may share the description for a moment, so that closing alone would not end the watch. */
void close_fd(int32_t *fd)
{
  if (*fd < 0) return;
  unwatch(*fd);
  close(*fd);
  *fd = -1;
}

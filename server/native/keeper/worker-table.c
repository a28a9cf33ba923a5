/* The fixed table of workers, found by id and by pid. Untouched pages of it cost nothing. */
#include "keeper.h"
#include <string.h>
#include <sys/mman.h>

#define BUCKETS 32768u
static uint32_t *by_id, *by_pid, first_free;

static uint32_t *id_bucket(const uint8_t id[ID_BYTES])
{
  uint64_t word, hash = 0;
  for (int i = 0; i < ID_BYTES; i += 8) {
    memcpy(&word, id + i, sizeof word);
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
  }
  return &by_id[hash >> 49];
}

static uint32_t *pid_bucket(pid_t pid) { return &by_pid[(uint32_t)pid % BUCKETS]; }

static void link_id(struct slot *slot)
{
  uint32_t *bucket = id_bucket(slot->id);
  slot->by_id = *bucket;
  *bucket = slot_index(slot) + 1;
}

static void link_pid(struct slot *slot)
{
  uint32_t *bucket = pid_bucket(slot->pid);
  slot->by_pid = *bucket;
  *bucket = slot_index(slot) + 1;
}

bool table_create(void)
{
  size_t bytes = K.max_workers * sizeof(struct slot) + 2 * BUCKETS * sizeof(uint32_t);
  uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  by_id = (uint32_t *)memory;
  by_pid = by_id + BUCKETS;
  K.slots = (struct slot *)(by_pid + BUCKETS);
  return true;
}

/* Makes the indexes of a table that an earlier keeper filled. */
void table_link(void)
{
  for (uint32_t i = K.h.slots; i-- > 0;) {
    struct slot *slot = &K.slots[i];
    if (slot->state == FREE) {
      slot->by_id = first_free;
      first_free = i + 1;
      continue;
    }
    K.used++;
    link_id(slot);
    if (slot->pid > 0) link_pid(slot);
  }
}

struct slot *slot_take(const uint8_t id[ID_BYTES])
{
  struct slot *slot;
  if (first_free != 0) {
    slot = &K.slots[first_free - 1];
    first_free = slot->by_id;
  } else if (K.h.slots < K.max_workers) {
    slot = &K.slots[K.h.slots++];
  } else {
    return NULL;
  }
  *slot = (struct slot){.generation = slot->generation + 1, .pidfd = -1, .report_fd = -1, .stdin_fd = -1,
                         .link_fd = -1, .go_fds = {-1, -1, -1, -1, -1},
                         .queue = slot->queue, .queued = slot->queued};
  memcpy(slot->id, id, ID_BYTES);
  slot->state = STARTING;
  K.used++;
  link_id(slot);
  return slot;
}

void slot_set_pid(struct slot *slot, pid_t pid)
{
  slot->pid = pid;
  link_pid(slot);
}

static void unlink_slot(uint32_t *bucket, struct slot *slot, size_t link)
{
  uint32_t number = slot_index(slot) + 1;
  while (*bucket != number) bucket = (uint32_t *)((uint8_t *)&K.slots[*bucket - 1] + link);
  *bucket = *(uint32_t *)((uint8_t *)slot + link);
}

void slot_free(struct slot *slot)
{
  close_fd(&slot->pidfd);
  close_fd(&slot->report_fd);
  close_fd(&slot->stdin_fd);
  link_close(slot);
  unlink_slot(id_bucket(slot->id), slot, offsetof(struct slot, by_id));
  if (slot->pid > 0) unlink_slot(pid_bucket(slot->pid), slot, offsetof(struct slot, by_pid));
  slot->state = FREE;
  slot->generation++;
  slot->pending = 0; /* its place in the queue of notices, if any, becomes void */
  slot->by_id = first_free;
  first_free = slot_index(slot) + 1;
  K.used--;
}

struct slot *slot_any(const uint8_t id[ID_BYTES])
{
  for (uint32_t i = *id_bucket(id); i != 0; i = K.slots[i - 1].by_id)
    if (memcmp(K.slots[i - 1].id, id, ID_BYTES) == 0) return &K.slots[i - 1];
  return NULL;
}

struct slot *slot_by_id(const uint8_t id[ID_BYTES])
{
  struct slot *slot = slot_any(id);
  return slot != NULL && is_visible(slot) ? slot : NULL;
}

struct slot *slot_by_pid(pid_t pid)
{
  for (uint32_t i = *pid_bucket(pid); i != 0; i = K.slots[i - 1].by_pid)
    if (K.slots[i - 1].pid == pid) return &K.slots[i - 1];
  return NULL;
}

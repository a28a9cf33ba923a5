/*
 * What the daemon is told without asking. A notice is a bit in its slot, so that a slow daemon costs no memory;
 * nothing is sent before the daemon's first LIST, whose answer holds everything up to then.
 */
#include "keeper.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t first, last;

void notify(struct slot *slot, uint32_t pending)
{
  if (pending == PENDING_FAILED && K.h.connection < 0) { /* nobody is left who asked for it */
    slot->told = 1;
    if (slot->state == FAILED) slot_free(slot);
    return;
  }
  slot->pending |= pending;
  if (slot->queued) return;
  slot->queued = 1;
  slot->queue = 0;
  if (last != 0) K.slots[last - 1].queue = slot_index(slot) + 1;
  else first = slot_index(slot) + 1;
  last = slot_index(slot) + 1;
}

static void put_position(struct writer *out, enum tag tag, const struct stream *stream)
{
  const uint64_t position[3] = {stream->epoch, stream->begin, stream->end};
  put_bytes(out, tag, position, sizeof position);
}

void put_positions(struct writer *out, const struct slot *slot)
{
  put_position(out, TAG_STDOUT_POSITION, &slot->streams[0]);
  put_position(out, TAG_STDERR_POSITION, &slot->streams[1]);
}

static void put_birth(struct writer *out, const struct slot *slot)
{
  uint8_t cpus[1024];
  char path[sizeof K.h.cgroup_path + NAME_BYTES + 1];
  const uint32_t timings[2] = {slot->clone_us, slot->exec_us};
  put_u32(out, TAG_PID, (uint32_t)slot->pid);
  put_u64(out, TAG_START_TICKS, slot->start_ticks);
  put_u64(out, TAG_START_TIME_NS, slot->start_time_ns);
  long length = syscall(SYS_sched_getaffinity, slot->pid, sizeof cpus, cpus);
  while (length > 0 && cpus[length - 1] == 0) length--;
  if (length > 0) put_bytes(out, TAG_CPUS, cpus, (size_t)length);
  if (slot->leaf) {
    cgroup_leaf_path(slot, path, sizeof path);
    put_string(out, TAG_CGROUP, path);
  }
  put_bytes(out, TAG_TIMINGS, timings, sizeof timings);
}

static void put_exit(struct writer *out, const struct slot *slot)
{
  put_u32(out, TAG_EXIT_CODE_KIND, slot->exit_kind);
  put_u32(out, TAG_EXIT_VALUE, slot->exit_value);
  if (slot->exit_source != 0) put_u32(out, TAG_EXIT_SOURCE, slot->exit_source);
  if (!slot->foreign) put_bytes(out, TAG_USAGE, slot->usage, sizeof slot->usage);
  put_u64(out, TAG_END_TIME_NS, slot->end_time_ns);
  put_u32(out, TAG_TREE, slot->tree);
}

static void put_moments(struct writer *out, const struct slot *slot, bool all)
{
  uint64_t moments[MOMENTS];
  if (slot->moments[MOMENT_ORDERED] == 0) return;
  memcpy(moments, slot->moments, sizeof moments);
  if (!all) moments[MOMENT_FIRST_LINE] = 0; /* a notice of its own says that one */
  put_bytes(out, TAG_MOMENTS, moments, sizeof moments);
}

static void put_failure(struct writer *out, const struct slot *slot)
{
  char message[64];
  put_u32(out, TAG_STEP, slot->step);
  put_u32(out, TAG_ERRNO, slot->error);
  if (slot->exit_kind == 0) return;
  snprintf(message, sizeof message, slot->exit_kind == CLD_EXITED ? "it exited with code %u" : "signal %u ended it",
           (unsigned)slot->exit_value);
  put_string(out, TAG_MESSAGE, message);
}

/* In the order in which they are told: what began comes before what ended. */
static const struct { uint32_t pending; enum type type; } order[] = {
    {PENDING_BORN, BORN}, {PENDING_SPAWNED, SPAWNED}, {PENDING_SERVING, SERVING}, {PENDING_FIRST_LINE, FIRST_LINE},
    {PENDING_STDIN_READY, STDIN_READY}, {PENDING_EXITED, EXITED}, {PENDING_TREE_GONE, TREE_GONE},
    {PENDING_FAILED, SPAWN_FAILED}};

static bool write_notice(const struct slot *slot, uint32_t pending, enum type type)
{
  struct writer *out = &K.out;
  begin_frame(out, type, 0);
  put_bytes(out, TAG_ID, slot->id, ID_BYTES);
  if (pending == PENDING_SPAWNED) put_birth(out, slot);
  if (pending == PENDING_SPAWNED || pending == PENDING_FIRST_LINE) put_moments(out, slot, pending == PENDING_FIRST_LINE);
  if (pending == PENDING_FAILED) put_failure(out, slot);
  if (pending == PENDING_SERVING) put_u32(out, TAG_SERVING, slot->serving == SERVES);
  if (pending == PENDING_BORN) {
    put_u32(out, TAG_PID, (uint32_t)slot->pid);
    put_u64(out, TAG_START_TICKS, slot->start_ticks);
  }
  if (pending == PENDING_EXITED) {
    put_u32(out, TAG_PID, (uint32_t)slot->pid);
    put_exit(out, slot);
    put_positions(out, slot);
  }
  return end_frame(out);
}

void send_notices(void)
{
  while (first != 0) {
    struct slot *slot = &K.slots[first - 1];
    for (size_t i = 0; i < sizeof order / sizeof order[0] && slot->pending != 0; i++) {
      uint32_t pending = slot->pending & order[i].pending;
      if (pending == 0) continue;
      if (!write_notice(slot, pending, order[i].type)) return;
      slot->pending &= ~pending;
      if (pending == PENDING_FAILED) {
        slot->told = 1;
        if (slot->state == FAILED) slot_free(slot);
      }
    }
    first = slot->queue;
    slot->queued = 0;
    if (first == 0) last = 0;
  }
}

/* The daemon is gone: the next one learns from its LIST what these would have said. */
void forget_notices(void)
{
  first = last = 0;
  for (uint32_t i = 0; i < K.h.slots; i++) {
    struct slot *slot = &K.slots[i];
    slot->queued = 0;
    slot->pending = 0;
    if (slot->stdin_waiting) unwatch(slot->stdin_fd);
    slot->stdin_waiting = 0;
    if (slot->state == DYING) slot->told = 1;
    if (slot->state == FAILED) slot_free(slot);
  }
}

/* As the protocol has it. */
static uint32_t listed_state(const struct slot *slot)
{
  if (slot->state == HELD) return LISTED_HELD;
  if (slot->hold && (slot->state == UNBORN || slot->state == STARTING)) return LISTED_TO_BE_HELD;
  return slot->state == UNBORN ? STARTING : slot->state;
}

static bool write_worker(const struct slot *slot)
{
  struct writer *out = &K.out;
  begin_frame(out, WORKER, K.list_request);
  put_bytes(out, TAG_ID, slot->id, ID_BYTES);
  put_u32(out, TAG_STATE, listed_state(slot));
  if (slot->pid > 0) put_birth(out, slot);
  if (slot->link_fd >= 0) put_u32(out, TAG_SERVING, slot->serving == SERVES);
  put_moments(out, slot, true);
  put_u64(out, TAG_OFFSET, slot->stdin_offset);
  put_u32(out, TAG_CLOSE, slot->stdin_closed);
  put_positions(out, slot);
  if (slot->state == EXITED_UNACKED) put_exit(out, slot);
  return end_frame(out);
}

/* Goes on with the LIST under way as far as the buffer reaches. */
void send_list(void)
{
  if (K.discard) K.listing = 0; /* nobody will read it */
  for (; K.listing != 0 && K.listing <= K.h.slots; K.listing++) {
    struct slot *slot = &K.slots[K.listing - 1];
    struct process_stat stat;
    if (!is_visible(slot) && slot->state != UNBORN) continue;
    if (slot->state == STARTING && slot->start_ticks == 0 && read_process_stat(slot->pid, &stat))
      slot->start_ticks = stat.start_ticks;
    if (!write_worker(slot)) return;
    if (K.list_clears) slot->pending = 0; /* this answer said it */
  }
  if (K.listing == 0) return;
  begin_frame(&K.out, LIST_END, K.list_request);
  if (!end_frame(&K.out)) return;
  K.listing = 0;
  K.h.flowing = true;
}

/* At once: an answer, which there is always room for, or what has more to say than fits into a slot. */
bool spawn_failed(const uint8_t id[ID_BYTES], uint32_t step, int error, const char *message)
{
  begin_frame(&K.out, SPAWN_FAILED, 0);
  put_bytes(&K.out, TAG_ID, id, ID_BYTES);
  put_u32(&K.out, TAG_STEP, step);
  put_u32(&K.out, TAG_ERRNO, (uint32_t)error);
  if (message != NULL) put_string(&K.out, TAG_MESSAGE, message);
  return end_frame(&K.out);
}

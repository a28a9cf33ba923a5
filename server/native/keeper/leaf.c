/* What is written into a worker's leaf: its limits, and a process that is born elsewhere. */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 64

static const char *const limit_files[] = {"memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.weight", "cpu.max"};

/* Of a leaf elsewhere. What it has no file for had no limit. */
void leaf_copy_limits(int from, const uint8_t id[ID_BYTES])
{
  char path[64], value[VALUE_MAX + 1];
  for (size_t i = 0; i < sizeof limit_files / sizeof limit_files[0]; i++) {
    ssize_t length = read_file(from, limit_files[i], value, sizeof value);
    leaf_file(path, id, limit_files[i]);
    if (length > 0) write_file(K.h.cgroup, path, value, (size_t)length);
  }
}

/* One FILE=VALUE, a file that we know. */
static bool write_limit(const uint8_t id[ID_BYTES], const struct span *limit)
{
  char path[64];
  const uint8_t *equals = memchr(limit->bytes, '=', limit->length);
  size_t name = equals == NULL ? 0 : (size_t)(equals - limit->bytes), value = equals == NULL ? 0 : limit->length - name - 1;
  const char *file = NULL;
  for (size_t i = 0; i < sizeof limit_files / sizeof limit_files[0]; i++)
    if (strlen(limit_files[i]) == name && memcmp(limit_files[i], limit->bytes, name) == 0) file = limit_files[i];
  errno = EINVAL;
  if (file == NULL || value == 0 || value > VALUE_MAX) return false;
  errno = ENOTSUP;
  if (K.h.cgroup < 0) return false;
  leaf_file(path, id, file);
  if (write_file(K.h.cgroup, path, equals + 1, value)) return true;
  if (errno == ENOENT) errno = ENOTSUP; /* without its controller there is no such file */
  return false;
}

bool leaf_limits(const struct request *request)
{
  struct span rest = request->fields, value;
  unsigned tag;
  while (next_field(&rest, &tag, &value))
    if (tag == TAG_LIMIT && !write_limit(request->id, &value)) return false;
  return true;
}

/* Whether limits make what runs in the leaf wait. A fork server waits for the process that it puts there (fork.c). */
bool leaf_slows(const struct request *request)
{
  static const char *const slow[] = {"cpu.", "memory.high="};
  struct span rest = request->fields, value;
  unsigned tag;
  while (next_field(&rest, &tag, &value))
    for (int i = 0; tag == TAG_LIMIT && i < 2; i++)
      if (value.length > strlen(slow[i]) && memcmp(value.bytes, slow[i], strlen(slow[i])) == 0) return true;
  return false;
}

bool leaf_enter(const struct slot *slot)
{
  char path[64], number[16];
  leaf_file(path, slot->id, "cgroup.procs");
  int length = snprintf(number, sizeof number, "%d", slot->pid);
  return write_file(K.h.cgroup, path, number, (size_t)length);
}

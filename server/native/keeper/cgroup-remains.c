/* What a keeper that died has left in cgroups: empty leaves are removed, those of adopted workers moved into ours. */
#include "keeper.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270

/* Whether a keeper could have made or been given a directory of that name. */
static bool is_ours(const char *path)
{
  const char *name = strrchr(path, '/') + 1;
  return strcmp(path, K.h.cgroup_path) == 0 || strcmp(name, "workers") == 0 ||
         (strncmp(name, "forkbus-", 8) == 0 && strspn(name + 8, "0123456789abcdef") == 8 && name[16] == '\0');
}

/*
 * Removes the empty leaves that a keeper left when it died; what still holds processes stays, to be adopted. The
 * path comes from a file: only cgroups, of names that are ours, are touched.
 */
void cgroup_sweep(const char *path)
{
  struct statfs system;
  char buffer[2048] __attribute__((aligned(8))), *name;
  long filled = 0, at = 0;
  uint8_t type, id[ID_BYTES];
  int own = K.h.cgroup, directory = is_ours(path) ? open(path, DIRECTORY_FLAGS) : -1;
  if (directory < 0) return;
  if (fstatfs(directory, &system) == 0 && system.f_type == CGROUP2_MAGIC) {
    K.h.cgroup = directory;
    while (next_entry(directory, buffer, sizeof buffer, &filled, &at, &name, &type))
      if (strlen(name) == 2 * ID_BYTES && parse_id(name, id)) cgroup_remove(id);
    K.h.cgroup = own;
    if (strcmp(path, K.h.cgroup_path) != 0) rmdir(path);
  }
  close(directory);
}

static int move_one(pid_t pid, void *procs)
{
  dprintf(*(const int *)procs, "%d", (int)pid);
  return 1;
}

/* An adopted worker's leaf was made by another keeper, perhaps elsewhere: move its limits and what it holds into ours. */
void cgroup_take_over(struct slot *slot)
{
  static char old[CGROUP_PATH];
  char process[16], path[64], name[NAME_BYTES], ours[PATH_MAX];
  int leaf, from;
  snprintf(process, sizeof process, "%d", slot->pid);
  format_id(slot->id, name);
  if (!cgroup_of(process, old, NULL)) return;
  size_t length = strlen(old);
  if (length < sizeof name || strcmp(old + length - 2 * ID_BYTES, name) != 0) return;
  if (!cgroup_create(slot->id, &leaf)) return;
  close(leaf);
  slot->leaf = 1;
  leaf_file(path, slot->id, "cgroup.procs");
  int procs = openat(K.h.cgroup, path, O_WRONLY | O_CLOEXEC);
  cgroup_leaf_path(slot, ours, sizeof ours);
  if (procs >= 0 && strcmp(old, ours) != 0 && (from = open(old, DIRECTORY_FLAGS)) >= 0) {
    leaf_copy_limits(from, slot->id);
    for (int round = 0; round < 8 && cgroup_walk(from, move_one, &procs) > 0; round++) lseek(from, 0, SEEK_SET);
    close(from);
    rmdir(old);
    *strrchr(old, '/') = '\0';
    rmdir(old); /* the last one takes the directory of the dead keeper with it */
  }
  if (procs >= 0) close(procs);
}

/* One cgroup v2 leaf per worker, where that is ours to make: the one way to hold a whole tree of processes. */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEEPEST 9

/* Somebody has removed our directory while it was empty, as anyone may who tidies up. */
static bool make_directory_again(void)
{
  mkdir(K.h.cgroup_path, 0755);
  int fd = open(K.h.cgroup_path, DIRECTORY_FLAGS);
  if (fd < 0) return false;
  close(K.h.cgroup);
  K.h.cgroup = fd;
  enable_controllers();
  return true;
}

bool cgroup_create(const uint8_t id[ID_BYTES], int *fd)
{
  char name[NAME_BYTES];
  format_id(id, name);
  int made = mkdirat(K.h.cgroup, name, 0755);
  if (made != 0 && errno == ENOENT && make_directory_again()) made = mkdirat(K.h.cgroup, name, 0755);
  if (made != 0 && errno != EEXIST) return false;
  *fd = openat(K.h.cgroup, name, DIRECTORY_FLAGS);
  return *fd >= 0;
}

void leaf_file(char path[64], const uint8_t id[ID_BYTES], const char *file)
{
  format_id(id, path);
  path[2 * ID_BYTES] = '/';
  strcpy(path + NAME_BYTES, file);
}

void cgroup_leaf_path(const struct slot *slot, char *path, size_t size)
{
  char name[NAME_BYTES];
  format_id(slot->id, name);
  snprintf(path, size, "%s/%s", K.h.cgroup_path, name);
}

bool cgroup_populated(const struct slot *slot)
{
  char path[64], text[256];
  leaf_file(path, slot->id, "cgroup.events");
  return read_file(K.h.cgroup, path, text, sizeof text) > 0 && strstr(text, "populated 1") != NULL;
}

/* Visits every process of one group; the sum of what the visitor says. */
static int each_process(int directory, cgroup_visitor *visit, void *argument)
{
  char text[4096], *end;
  size_t kept = 0;
  int found = 0, fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  for (ssize_t length; fd >= 0 && (length = read(fd, text + kept, sizeof text - kept - 1)) > 0;) {
    char *at = text;
    text[kept + (size_t)length] = '\0';
    for (; (end = strchr(at, '\n')) != NULL; at = end + 1) {
      pid_t pid = (pid_t)atoi(at); /* 0: one that our pid namespace does not show */
      if (pid > 0) found += visit(pid, argument);
    }
    kept = strlen(at);
    memmove(text, at, kept);
  }
  if (fd >= 0) close(fd);
  return found;
}

/* The group and those that its processes made inside it, which are removed where there is no visitor. */
static int walk(int directory, cgroup_visitor *visit, void *argument, int depth)
{
  int found = visit == NULL ? 0 : each_process(directory, visit, argument);
  char buffer[2048] __attribute__((aligned(8))), *name;
  long filled = 0, at = 0;
  uint8_t type;
  while (depth < DEEPEST && next_entry(directory, buffer, sizeof buffer, &filled, &at, &name, &type)) {
    if (type != 4 /* a directory */ || name[0] == '.') continue;
    int inner = openat(directory, name, DIRECTORY_FLAGS);
    if (inner < 0) continue;
    found += walk(inner, visit, argument, depth + 1);
    close(inner);
    if (visit == NULL) unlinkat(directory, name, AT_REMOVEDIR);
  }
  return found;
}

int cgroup_walk(int directory, cgroup_visitor *visit, void *argument) { return walk(directory, visit, argument, 0); }

/* One look at what is in the leaf: processes that are born meanwhile may not be seen. */
int cgroup_each(const struct slot *slot, cgroup_visitor *visit, void *argument)
{
  char name[NAME_BYTES];
  format_id(slot->id, name);
  int directory = openat(K.h.cgroup, name, DIRECTORY_FLAGS);
  if (directory < 0) return 0;
  int found = cgroup_walk(directory, visit, argument);
  close(directory);
  return found;
}

static int signal_one(pid_t pid, void *signal)
{
  int pidfd = sys_pidfd_open(pid);
  if (pidfd < 0) return 0;
  int sent = sys_pidfd_send_signal(pidfd, *(const int *)signal) == 0;
  close(pidfd);
  return sent;
}

int cgroup_signal(const struct slot *slot, int signal) { return cgroup_each(slot, signal_one, &signal); }

void cgroup_kill(const struct slot *slot)
{
  char path[64];
  leaf_file(path, slot->id, "cgroup.kill");
  int fd = K.h.features & FEATURE_CGROUP_KILL ? openat(K.h.cgroup, path, O_WRONLY | O_CLOEXEC) : -1;
  bool done = fd >= 0 && write(fd, "1", 1) == 1;
  if (fd >= 0) close(fd);
  if (!done) cgroup_signal(slot, SIGKILL);
}

/* True when the leaf is gone; a dying process may hold it for a moment. */
bool cgroup_remove(const uint8_t id[ID_BYTES])
{
  char name[NAME_BYTES];
  format_id(id, name);
  if (unlinkat(K.h.cgroup, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
  int directory = openat(K.h.cgroup, name, DIRECTORY_FLAGS);
  if (directory >= 0) {
    cgroup_walk(directory, NULL, NULL);
    close(directory);
  }
  return unlinkat(K.h.cgroup, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

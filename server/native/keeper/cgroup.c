/* One cgroup v2 leaf per worker, where that is ours to make: the one way to hold a whole tree of processes. */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
#define DEEPEST 9
#define CGROUP2_MAGIC 0x63677270

/* A child is born in a leaf, or the directory is of no use. */
static bool probe(void)
{
  int leaf, pidfd;
  siginfo_t info;
  if (!cgroup_create(K.h.instance, &leaf)) return false;
  pid_t child = sys_clone(&pidfd, leaf);
  if (child == 0) _exit(0);
  if (child > 0) {
    sys_waitid(P_PID, child, &info, WEXITED, NULL);
    close(pidfd);
    K.h.features |= FEATURE_CGROUP | FEATURE_CLONE_INTO;
    char path[64];
    format_id(K.h.instance, path);
    strcat(path, "/cgroup.kill");
    if (faccessat(K.h.cgroup, path, W_OK, 0) == 0) K.h.features |= FEATURE_CGROUP_KILL;
    enable_controllers();
    leaf_controllers();
  }
  int error = errno;
  close(leaf);
  cgroup_remove(K.h.instance);
  errno = error;
  return child > 0;
}

/* False with what it could not do in errno. */
static bool use(const char *path)
{
  snprintf(K.h.cgroup_path, sizeof K.h.cgroup_path, "%s", path);
  mkdir(path, 0755);
  K.h.cgroup = open(path, DIRECTORY_FLAGS);
  if (K.h.cgroup >= 0 && probe()) return true;
  int error = errno;
  say("cgroup %s cannot be used: %s", path, strerror(error));
  cgroup_teardown();
  errno = error;
  return false;
}

/* False only when the directory that --cgroup names cannot be used. */
bool cgroup_setup(void)
{
  char path[sizeof K.h.cgroup_path];
  if (strcmp(K.cgroup_mode, "none") == 0) return true;
  if (strcmp(K.cgroup_mode, "auto") != 0) return use(K.cgroup_mode);
  for (int choice = 0; delegated_directory(choice, path, sizeof path); choice++)
    if (use(path)) break;
  return true;
}

void cgroup_teardown(void)
{
  if (K.h.cgroup >= 0) close(K.h.cgroup);
  if (K.h.cgroup_path[0] != '\0' && strcmp(K.cgroup_mode, "auto") == 0) rmdir(K.h.cgroup_path);
  K.h.cgroup = -1;
  K.h.cgroup_path[0] = '\0';
}

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

/* One look at what is in the leaf: processes that are born meanwhile may not be seen. */
int cgroup_each(const struct slot *slot, cgroup_visitor *visit, void *argument)
{
  char name[NAME_BYTES];
  format_id(slot->id, name);
  int directory = openat(K.h.cgroup, name, DIRECTORY_FLAGS);
  if (directory < 0) return 0;
  int found = walk(directory, visit, argument, 0);
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
    walk(directory, NULL, NULL, 0);
    close(directory);
  }
  return unlinkat(K.h.cgroup, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

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
    for (int round = 0; round < 8 && walk(from, move_one, &procs, 0) > 0; round++) lseek(from, 0, SEEK_SET);
    close(from);
    rmdir(old);
    *strrchr(old, '/') = '\0';
    rmdir(old); /* the last one takes the directory of the dead keeper with it */
  }
  if (procs >= 0) close(procs);
}

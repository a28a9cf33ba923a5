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

/* Where cgroup2 is mounted, and which part of the hierarchy that mount shows. */
static bool find_mount(char mount[PATH_MAX], char root[PATH_MAX])
{
  char *line = NULL;
  size_t size = 0;
  bool found = false;
  FILE *stream = fopen("/proc/self/mountinfo", "re");
  while (stream != NULL && !found && getline(&line, &size, stream) > 0)
    found = strstr(line, " - cgroup2 ") != NULL && sscanf(line, "%*s %*s %*s %4095s %4095s", root, mount) == 2;
  free(line);
  if (stream != NULL) fclose(stream);
  return found;
}

/* The path of a process below the mount, without a trailing slash: "" for the root. */
static bool find_own(const char *process, const char *root, char own[PATH_MAX])
{
  char file[64], text[8192];
  snprintf(file, sizeof file, "/proc/%s/cgroup", process);
  if (read_file(AT_FDCWD, file, text, sizeof text) <= 0) return false;
  char *at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
  if (at == NULL || strlen(at) >= PATH_MAX) return false;
  at += *at == '\n' ? 4 : 3;
  at[strcspn(at, "\n")] = '\0';
  size_t prefix = strcmp(root, "/") == 0 ? 0 : strlen(root);
  if (strncmp(at, root, prefix) == 0) at += prefix;
  strcpy(own, strcmp(at, "/") == 0 ? "" : at);
  return true;
}

static bool choose_directory(char *path, size_t size)
{
  static char mount[PATH_MAX], root[PATH_MAX], own[PATH_MAX];
  char init[64] = "", name[NAME_BYTES];
  if (!find_mount(mount, root) || !find_own("self", root, own)) return false;
  if (own[0] != '\0') return snprintf(path, size, "%s%s/workers", mount, own) < (int)size;
  read_file(AT_FDCWD, "/proc/1/comm", init, sizeof init);
  if (K.euid != 0 || strcmp(init, "systemd\n") == 0) return false;
  format_id(K.h.instance, name);
  return snprintf(path, size, "%s/forkbus-%.8s", mount, name) < (int)size;
}

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
    leaf_controllers();
  }
  int error = errno;
  close(leaf);
  cgroup_remove(K.h.instance);
  errno = error;
  return child > 0;
}

/* False only when the directory that --cgroup names cannot be used. */
bool cgroup_setup(void)
{
  char *path = K.h.cgroup_path;
  bool automatic = strcmp(K.cgroup_mode, "auto") == 0;
  if (strcmp(K.cgroup_mode, "none") == 0) return true;
  if (!automatic) snprintf(path, sizeof K.h.cgroup_path, "%s", K.cgroup_mode);
  else if (!choose_directory(path, sizeof K.h.cgroup_path)) return true;
  mkdir(path, 0755);
  K.h.cgroup = open(path, DIRECTORY_FLAGS);
  if (K.h.cgroup >= 0 && probe()) return true;
  say("cgroup %s cannot be used: %s", path, strerror(errno));
  cgroup_teardown();
  return automatic;
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

enum walk { SEND, DESTROY, MOVE };

static int each_process(int directory, enum walk what, int argument)
{
  char text[16384]; /* 2 000 processes; callers come back until none is left */
  int found = 0;
  if (read_file(directory, "cgroup.procs", text, sizeof text) <= 0) return 0;
  for (char *at = text, *end = at; *at != '\0'; at = *end == '\0' ? end : end + 1) {
    pid_t pid = (pid_t)strtol(at, &end, 10);
    if (end == at || *end != '\n') break;
    if (what == MOVE) {
      dprintf(argument, "%d", (int)pid);
      found++;
      continue;
    }
    int pidfd = sys_pidfd_open(pid);
    if (pidfd < 0) continue;
    if (sys_pidfd_send_signal(pidfd, argument) == 0) found++;
    close(pidfd);
  }
  return found;
}

/* The leaf and the groups that its processes made inside it. */
static int walk(int directory, enum walk what, int argument, int depth)
{
  int found = what == DESTROY ? 0 : each_process(directory, what, argument);
  char buffer[2048] __attribute__((aligned(8))), *name;
  long filled = 0, at = 0;
  uint8_t type;
  while (depth < DEEPEST && next_entry(directory, buffer, sizeof buffer, &filled, &at, &name, &type)) {
    if (type != 4 /* a directory */ || name[0] == '.') continue;
    int inner = openat(directory, name, DIRECTORY_FLAGS);
    if (inner < 0) continue;
    found += walk(inner, what, argument, depth + 1);
    close(inner);
    if (what == DESTROY) unlinkat(directory, name, AT_REMOVEDIR);
  }
  return found;
}

int cgroup_signal(const struct slot *slot, int signal)
{
  char name[NAME_BYTES];
  format_id(slot->id, name);
  int directory = openat(K.h.cgroup, name, DIRECTORY_FLAGS);
  if (directory < 0) return 0;
  int found = walk(directory, SEND, signal, 0);
  close(directory);
  return found;
}

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
    walk(directory, DESTROY, 0, 0);
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

/* An adopted worker's leaf was made by another keeper, perhaps elsewhere: move what it holds into ours. */
void cgroup_take_over(struct slot *slot)
{
  static char mount[PATH_MAX], root[PATH_MAX], own[PATH_MAX], old[2 * PATH_MAX];
  char process[16], path[64], name[NAME_BYTES];
  int leaf, from;
  snprintf(process, sizeof process, "%d", slot->pid);
  format_id(slot->id, name);
  if (!find_mount(mount, root) || !find_own(process, root, own)) return;
  size_t length = strlen(own);
  if (length < sizeof name || strcmp(own + length - 2 * ID_BYTES, name) != 0) return;
  if (!cgroup_create(slot->id, &leaf)) return;
  close(leaf);
  slot->leaf = 1;
  snprintf(old, sizeof old, "%s%s", mount, own);
  leaf_file(path, slot->id, "cgroup.procs");
  int procs = openat(K.h.cgroup, path, O_WRONLY | O_CLOEXEC);
  char ours[PATH_MAX];
  cgroup_leaf_path(slot, ours, sizeof ours);
  if (procs >= 0 && strcmp(old, ours) != 0 && (from = open(old, DIRECTORY_FLAGS)) >= 0) {
    for (int round = 0; round < 8 && walk(from, MOVE, procs, 0) > 0; round++) lseek(from, 0, SEEK_SET);
    close(from);
    rmdir(old);
    *strrchr(old, '/') = '\0';
    rmdir(old); /* the last one takes the directory of the dead keeper with it */
  }
  if (procs >= 0) close(procs);
}

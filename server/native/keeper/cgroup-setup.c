/* Where our leaves are made: the first directory in which one can be, and what the kernel can do there. */
#include "keeper.h"
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the leaf of our own id, which must be there, tells of the controllers that we got. */
static void note_controllers(void)
{
  static const struct { const char *word; uint32_t feature; } wanted[] = {
      {"memory", FEATURE_MEMORY}, {"pids", FEATURE_PIDS}, {"cpu", FEATURE_CPU}};
  char path[64], text[256];
  leaf_file(path, K.h.instance, "cgroup.controllers");
  if (read_file(K.h.cgroup, path, text, sizeof text) <= 0) return;
  text[strcspn(text, "\n")] = '\0';
  for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;)
    for (int i = 0; i < 3; i++)
      if (strcmp(word, wanted[i].word) == 0) K.h.features |= wanted[i].feature;
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
    enable_controllers();
    note_controllers();
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

/* After an upgrade: the keeper that we were may not have asked. */
void cgroup_look_again(void)
{
  int leaf;
  enable_controllers();
  if (!cgroup_create(K.h.instance, &leaf)) return;
  close(leaf);
  note_controllers();
  cgroup_remove(K.h.instance);
}

/*
 * In which cgroup the leaves are made, and which controllers reach them. Controllers go from a group to those below it
 * only while it holds no process itself: so the keeper must sit beside the workers, not above them.
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_GROUP "/keeper"

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

/* The cgroup of a process, without a trailing slash; in *below the part after the mount, "" for its root. */
bool cgroup_of(const char *process, char path[CGROUP_PATH], const char **below)
{
  static char mount[PATH_MAX], root[PATH_MAX], text[8192];
  char file[64];
  snprintf(file, sizeof file, "/proc/%s/cgroup", process);
  if (!find_mount(mount, root) || read_file(AT_FDCWD, file, text, sizeof text) <= 0) return false;
  char *at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
  if (at == NULL || strlen(at) >= PATH_MAX) return false;
  at += *at == '\n' ? 4 : 3;
  at[strcspn(at, "\n")] = '\0';
  size_t prefix = strcmp(root, "/") == 0 ? 0 : strlen(root);
  if (strncmp(at, root, prefix) == 0) at += prefix;
  int start = snprintf(path, CGROUP_PATH, "%s", mount);
  strcpy(path + start, strcmp(at, "/") == 0 ? "" : at);
  if (below != NULL) *below = path + start;
  return true;
}

static bool ends_with(const char *text, const char *end)
{
  size_t length = strlen(text), tail = strlen(end);
  return length > tail && strcmp(text + length - tail, end) == 0;
}

/* Where leaves may go: the best place first. False when there is no such choice. */
bool delegated_directory(int choice, char *path, size_t size)
{
  static char own[CGROUP_PATH];
  char init[64] = "", name[NAME_BYTES];
  const char *below;
  if (!cgroup_of("self", own, &below)) return false;
  if (below[0] == '\0') {
    read_file(AT_FDCWD, "/proc/1/comm", init, sizeof init);
    if (choice > 0 || K.euid != 0 || strcmp(init, "systemd\n") == 0) return false;
    format_id(K.h.instance, name);
    return snprintf(path, size, "%s/forkbus-%.8s", own, name) < (int)size;
  }
  bool beside = ends_with(below, OWN_GROUP);
  if (choice > beside) return false;
  if (beside && choice == 0) own[strlen(own) - strlen(OWN_GROUP)] = '\0';
  return snprintf(path, size, "%s/workers", own) < (int)size;
}

/* Only the root of all may hold processes and hand controllers down; it is the one that has no type. */
static bool may_hand_down(const char *group)
{
  char path[64], text[64];
  snprintf(path, sizeof path, "%s/cgroup.type", group);
  if (faccessat(K.h.cgroup, path, F_OK, 0) != 0) return true;
  snprintf(path, sizeof path, "%s/cgroup.procs", group);
  return read_file(K.h.cgroup, path, text, sizeof text) == 0;
}

/* The kernel would let some controllers into a group with processes, but then no process into the groups inside it. */
static void hand_down(const char *group)
{
  static const char *const wanted[] = {"+memory", "+pids", "+cpu"};
  char path[64];
  if (!may_hand_down(group)) return;
  snprintf(path, sizeof path, "%s/cgroup.subtree_control", group);
  for (int i = 0; i < 3; i++) write_file(K.h.cgroup, path, wanted[i], strlen(wanted[i]));
}

/*
 * Asks for the controllers that limit. A directory that we found by ourselves may lack them before the group above hands
 * them down; of one that --cgroup names, that group is not ours.
 */
void enable_controllers(void)
{
  if (strcmp(K.cgroup_mode, "auto") == 0) hand_down("..");
  hand_down(".");
}

/* Which worker a process says it is, or can be seen to be. Nothing here trusts what the daemon says. */
#include "keeper.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER "FORKBUS_PROCESS_ID="
#define MARKER_BYTES (sizeof MARKER - 1)
#define MOST_ENVIRONMENT (2176u << 10) /* ARG_MAX of an ordinary stack, and some more */

/* Reads the id from a variable that the daemon puts into every environment; false where there is none. */
bool process_mark(pid_t pid, uint8_t id[ID_BYTES])
{
  static char text[64 << 10]; /* always begins with the NUL before a variable or with what may become the marker */
  char path[64], *found = NULL;
  size_t kept = 1, seen = 0;
  snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  text[0] = '\0';
  for (ssize_t length; fd >= 0 && seen < MOST_ENVIRONMENT; seen += (size_t)length) {
    length = read(fd, text + kept, sizeof text - kept);
    if (length <= 0) break;
    size_t filled = kept + (size_t)length, rest = MARKER_BYTES + 2 * ID_BYTES;
    found = memmem(text, filled, "\0" MARKER, MARKER_BYTES + 1);
    if (found != NULL && found + 1 + rest <= text + filled) break;
    kept = found != NULL ? (size_t)(text + filled - found) : filled < rest ? filled : rest;
    memmove(text, text + filled - kept, kept);
    found = NULL;
  }
  if (fd >= 0) close(fd);
  return found != NULL && parse_id(found + 1 + MARKER_BYTES, id);
}

static bool user_allowed(pid_t pid)
{
  char path[64], text[2048];
  unsigned real, effective;
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  if (read_file(AT_FDCWD, path, text, sizeof text) <= 0) return false;
  const char *line = strstr(text, "\nUid:");
  return line != NULL && sscanf(line, "\nUid: %u %u", &real, &effective) == 2 && policy_allows(real) && policy_allows(effective);
}

/* Its output goes to the file of that worker, which only we have made. */
static bool writes_log(pid_t pid, const char *name, int which)
{
  char path[64];
  struct stat output, log;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, which);
  if (stat(path, &output) != 0) return false;
  snprintf(path, sizeof path, "%s/%s", name, which == 1 ? "stdout" : "stderr");
  return fstatat(K.h.directory, path, &log, AT_SYMLINK_NOFOLLOW) == 0 && log.st_ino == output.st_ino && log.st_dev == output.st_dev;
}

static bool names_leaf(int directory, const char *path, const uint8_t id[ID_BYTES])
{
  char text[8192], leaf[NAME_BYTES + 1] = "/", *at = text;
  format_id(id, leaf + 1);
  if (read_file(directory, path, text, sizeof text) <= 0) return false;
  while ((at = strstr(at, leaf)) != NULL && at[NAME_BYTES] != '\n' && at[NAME_BYTES] != '/') at++;
  return at != NULL;
}

bool sits_in_leaf(pid_t pid, const uint8_t id[ID_BYTES])
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
  return names_leaf(AT_FDCWD, path, id);
}

/* Of the process whose threads' directory this is, even when its number is another's by now. */
bool is_in_leaf(int tasks, const uint8_t id[ID_BYTES]) { return names_leaf(tasks, "../cgroup", id); }

/* A worker may have replaced its environment or redirected its output: one proof is enough. */
bool is_worker(pid_t pid, const uint8_t id[ID_BYTES])
{
  uint8_t marked[ID_BYTES];
  char name[NAME_BYTES];
  format_id(id, name);
  if (!user_allowed(pid)) return false;
  if (process_mark(pid, marked) && memcmp(marked, id, ID_BYTES) == 0) return true;
  return sits_in_leaf(pid, id) || writes_log(pid, name, 1) || writes_log(pid, name, 2);
}

/* A process as fork(2) wants it: its other threads asleep, and all of its memory to be had by the child. */
#define _GNU_SOURCE
#include "zygote.h"
#include "../fork/packet.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 2000 };

static bool is_asleep(const char *thread) {
  char path[64], stat[512];
  snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", thread);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return true; /* It has ended. */
  ssize_t length = read(file, stat, sizeof stat - 1);
  close(file);
  if (length <= 0) return true;
  stat[length] = 0;
  const char *name_end = strrchr(stat, ')');
  return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'S';
}

/* The number of threads; *asleep says whether all but this one are. */
static int count_threads(bool *asleep) {
  char self[24];
  snprintf(self, sizeof self, "%d", getpid());
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return -errno;
  int count = 0;
  *asleep = true;
  for (const struct dirent *each; (each = readdir(tasks)) != NULL;) {
    if (each->d_name[0] == '.') continue;
    count++;
    if (strcmp(each->d_name, self) != 0 && !is_asleep(each->d_name)) *asleep = false;
  }
  closedir(tasks);
  return count;
}

int quiet_threads(void) {
  const uint64_t deadline = monotonic_ns() + PATIENCE_MS * 1000000ull;
  for (long pause_us = 50;; pause_us = pause_us < 1000 ? pause_us * 2 : pause_us) {
    bool asleep = false;
    const int count = count_threads(&asleep);
    if (count < 0 || asleep) return count;
    if (monotonic_ns() > deadline) return -EBUSY;
    usleep((useconds_t)pause_us);
  }
}

struct range {
  unsigned long start, end;
};

static void share(const struct range *range) {
  if (range->end > range->start) {
    madvise((void *)range->start, range->end - range->start, MADV_DOFORK);
  }
}

/* Private memory without a file, be it named or not: "start-end perms offset device inode [name]". */
static bool is_private_memory(const char *line, struct range *range) {
  char permissions[5];
  unsigned long inode;
  int name = 0;
  if (sscanf(line, "%lx-%lx %4s %*s %*s %lu %n", &range->start, &range->end, permissions, &inode, &name) < 4) {
    return false;
  }
  return permissions[3] == 'p' && inode == 0 && (line[name] == 0 || strncmp(line + name, "[anon:", 6) == 0);
}

/* V8 marks its heap MADV_DONTFORK (v8_enable_private_mapping_fork_optimization), and a child without it crashes at once.
 * The mappings are taken as they come: the heap of JavaScript cannot grow meanwhile, for this thread is here. */
int quiet_share_heap(void) {
  static char text[1 << 16];
  int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (file < 0) return -errno;
  struct range joined = {0, 0};
  size_t kept = 0;
  ssize_t got;
  while ((got = read(file, text + kept, sizeof text - 1 - kept)) > 0) {
    kept += (size_t)got;
    text[kept] = 0;
    char *line = text;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
      *end = 0;
      struct range range;
      if (!is_private_memory(line, &range)) continue;
      if (range.start == joined.end) {
        joined.end = range.end;
      } else {
        share(&joined);
        joined = range;
      }
    }
    kept -= (size_t)(line - text);
    memmove(text, line, kept);
  }
  const int error = got < 0 ? errno : 0;
  close(file);
  share(&joined);
  return -error;
}

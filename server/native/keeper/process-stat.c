/* Files of the kernel, and directories, without allocation. */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t read_file(int directory, const char *path, char *buffer, size_t size)
{
  int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return -1;
  ssize_t length = read(fd, buffer, size - 1);
  int error = errno;
  close(fd);
  errno = error;
  buffer[length < 0 ? 0 : length] = '\0';
  return length;
}

/* Where it exists, and in one go. */
bool write_file(int directory, const char *path, const void *bytes, size_t length)
{
  int fd = openat(directory, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  ssize_t written = write(fd, bytes, length);
  int error = errno;
  close(fd);
  errno = written < 0 ? error : EIO;
  return written == (ssize_t)length;
}

bool read_process_stat(pid_t pid, struct process_stat *stat)
{
  char path[64], text[2048];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  if (read_file(AT_FDCWD, path, text, sizeof text) <= 0) return false;
  char *at = strrchr(text, ')'); /* the name before it may hold anything */
  if (at == NULL || at[1] == '\0') return false;
  at += 2;
  *stat = (struct process_stat){.state = *at++};
  for (int field = 4; field <= 52 && *at == ' '; field++) {
    uint64_t value = strtoull(at, &at, 10); /* negative ones wrap; we use none of them */
    if (field == 4) stat->parent = (pid_t)value;
    if (field == 6) stat->session = (pid_t)value;
    if (field == 9) stat->flags = (uint32_t)value;
    if (field == 22) stat->start_ticks = value;
    if (field == 52) stat->exit_code = (int)value;
  }
  return true;
}

struct entry {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

/* Entry by entry, `buffer` holding what was read; start with *filled = *at = 0. False at the end. */
bool next_entry(int directory, char *buffer, size_t size, long *filled, long *at, char **name, uint8_t *type)
{
  if (*at >= *filled) {
    *filled = syscall(SYS_getdents64, directory, buffer, size);
    *at = 0;
    if (*filled <= 0) return false;
  }
  struct entry *entry = (struct entry *)(void *)(buffer + *at);
  *at += entry->length;
  *name = entry->name;
  *type = entry->type;
  return true;
}

/*
 * The workers' output files. The worker appends by itself; the keeper only bounds them: it records the earliest
 * offset first and then gives the blocks before it back, so that a reader can never take a hole for data.
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DEFAULT_MAX (UINT64_C(64) << 20)
#define SMALLEST_CAP (UINT64_C(64) << 10)
#define PAGE UINT64_C(4096)
#define LINE 49 /* "stdout EPOCH BEGIN\n", both numbers 20 digits */
#define BACKOFF_MAX_MS 8000
static const char *const names[2] = {"stdout", "stderr"};

static void log_path(char path[64], const uint8_t id[ID_BYTES], const char *name)
{
  format_id(id, path);
  path[2 * ID_BYTES] = '/';
  strcpy(path + NAME_BYTES, name);
}

static bool write_offsets(int fd, const struct slot *slot, int which)
{
  char line[LINE + 1];
  const struct stream *stream = &slot->streams[which];
  snprintf(line, sizeof line, "%s %020llu %020llu\n", names[which], (unsigned long long)stream->epoch,
           (unsigned long long)stream->begin);
  return pwrite(fd, line, LINE, which * LINE) == LINE;
}

static int open_log(const char *path, int flags)
{
  return openat(K.h.directory, path, flags | O_CLOEXEC | O_NOFOLLOW, K.has_group ? 0640 : 0600);
}

/* For writing into what exists; a lease that the worker took on its file must not make us wait. */
static int reopen_log(const char *path) { return open_log(path, O_WRONLY | O_NONBLOCK); }

static bool hand_over(int fd, uid_t owner)
{
  bool other = owner != K.euid;
  return !(other || K.has_group) || fchown(fd, other ? owner : (uid_t)-1, K.has_group ? K.group : (gid_t)-1) == 0;
}

bool logs_probe(void)
{
  unlinkat(K.h.directory, ".probe", 0);
  int fd = open_log(".probe", O_RDWR | O_CREAT | O_EXCL);
  bool works = fd >= 0 && pwrite(fd, "x", 1, 2 * PAGE) == 1 &&
               fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) == 0;
  if (fd >= 0) close(fd);
  unlinkat(K.h.directory, ".probe", 0);
  return works;
}

/* The file is its worker's, which may then open it again, as /dev/stdout. */
static int create_stream(const uint8_t id[ID_BYTES], const char *name, uid_t owner)
{
  char path[64];
  log_path(path, id, name);
  int fd = open_log(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL);
  if (fd >= 0 && !hand_over(fd, owner)) {
    close(fd);
    return -1;
  }
  return fd;
}

/* Makes the directory and the files; start->out and start->err are the worker's descriptors. Sets *step on failure. */
bool logs_create(const struct request *request, struct start *start, uint32_t *step)
{
  char path[64];
  struct slot empty = {0};
  log_path(path, request->id, "");
  *step = STEP_DIRECTORY;
  if (mkdirat(K.h.directory, path, K.has_group ? 0750 : 0700) != 0) return false;
  *step = STEP_FILES;
  if (K.has_group && fchownat(K.h.directory, path, (uid_t)-1, K.group, AT_SYMLINK_NOFOLLOW) != 0) return false;
  log_path(path, request->id, "offsets");
  int offsets = open_log(path, O_WRONLY | O_CREAT | O_EXCL);
  if (offsets < 0) return false;
  bool good = hand_over(offsets, K.euid) && write_offsets(offsets, &empty, 0) && write_offsets(offsets, &empty, 1);
  close(offsets);
  if (!good) return false;
  start->out = request->flags & FLAG_NULL_STDOUT ? K.null : create_stream(request->id, "stdout", start->uid);
  if (start->out < 0) return false;
  if (request->flags & FLAG_MERGE_STDERR) start->err = start->out;
  else start->err = request->flags & FLAG_NULL_STDERR ? K.null : create_stream(request->id, "stderr", start->uid);
  return start->err >= 0;
}

/* What a process has to say at its end; the keeper never reads it. */
bool logs_create_result(struct start *start)
{
  start->result = create_stream(start->request->id, "result", start->uid);
  return start->result >= 0;
}

/* Takes epochs and offsets from what the keeper that made the files has left. */
void logs_load(struct slot *slot)
{
  char path[64], text[2 * LINE + 1];
  log_path(path, slot->id, "offsets");
  if (read_file(K.h.directory, path, text, sizeof text) != 2 * LINE) return;
  for (int i = 0; i < 2; i++) {
    unsigned long long epoch, begin;
    if (sscanf(text + i * LINE, "%*6s %20llu %20llu", &epoch, &begin) != 2) continue;
    slot->streams[i].epoch = epoch;
    slot->streams[i].begin = slot->streams[i].end = begin;
  }
}

/* False when epoch and beginning could not be written down: then the caller keeps the old ones. */
static bool record(struct slot *slot, int which)
{
  char path[64];
  log_path(path, slot->id, "offsets");
  int fd = reopen_log(path);
  bool done = fd >= 0 && write_offsets(fd, slot, which);
  if (fd >= 0) close(fd);
  return done;
}

static void keep_within(struct slot *slot, int which, const char *path, uint64_t cap)
{
  struct stream *stream = &slot->streams[which];
  uint64_t old = stream->begin, begin = stream->end > cap ? (stream->end - cap) & ~(PAGE - 1) : 0;
  if (begin <= old || !(K.h.features & FEATURE_PUNCH)) return;
  stream->begin = begin;
  if (!record(slot, which)) {
    stream->begin = old;
    return;
  }
  int fd = reopen_log(path);
  if (fd < 0) return;
  old &= ~(PAGE - 1);
  fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)old, (off_t)(begin - old));
  close(fd);
}

static void scan_stream(struct slot *slot, int which, bool force)
{
  struct stream *stream = &slot->streams[which];
  if (!force && !K.no_space && stream->scan_at > K.now_ms) return;
  char path[64];
  struct stat stat;
  log_path(path, slot->id, names[which]);
  if (fstatat(K.h.directory, path, &stat, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(stat.st_mode)) {
    stream->scan_at = NEVER;
    return;
  }
  uint64_t size = (uint64_t)stat.st_size, cap = slot->log_max;
  bool grew = size != stream->end;
  if (size < stream->end) { /* somebody truncated it: old offsets mean nothing now */
    struct stream old = *stream;
    stream->epoch++;
    stream->begin = 0;
    if (!record(slot, which)) { /* nobody could read it rightly: it stays unnoticed until the next scan */
      *stream = old;
      stream->scan_at = K.now_ms + MS_PER_S;
      return;
    }
  }
  stream->end = size;
  if (K.no_space) cap = cap / 4 > SMALLEST_CAP ? cap / 4 : cap < SMALLEST_CAP ? cap : SMALLEST_CAP;
  keep_within(slot, which, path, cap);
  stream->backoff_ms = grew || stream->backoff_ms == 0 ? MS_PER_S
                       : stream->backoff_ms < BACKOFF_MAX_MS ? stream->backoff_ms * 2 : BACKOFF_MAX_MS;
  stream->scan_at = K.now_ms + stream->backoff_ms;
}

void logs_scan(struct slot *slot, bool force)
{
  if (slot->log_max == 0) slot->log_max = DEFAULT_MAX;
  if (!(slot->flags & FLAG_NULL_STDOUT)) scan_stream(slot, 0, force);
  if (!(slot->flags & (FLAG_NULL_STDERR | FLAG_MERGE_STDERR))) scan_stream(slot, 1, force);
}

void logs_check_space(void)
{
  struct statvfs space;
  if (fstatvfs(K.h.directory, &space) != 0) return;
  bool low = (uint64_t)space.f_bavail * space.f_frsize < K.reserve_bytes;
  if (low && !K.no_space) say("less than %llu bytes are free, logs are cut", (unsigned long long)K.reserve_bytes);
  K.no_space = low;
}

/* One that is not wanted after all. */
void logs_remove_stream(const uint8_t id[ID_BYTES], int which)
{
  char path[64];
  log_path(path, id, names[which]);
  unlinkat(K.h.directory, path, 0);
}

/* Removes a worker's directory; 0, or the error. Only names that we made: anything else keeps it. */
int logs_remove(const uint8_t id[ID_BYTES])
{
  static const char *const all[] = {"stdout", "stderr", "offsets", "result"};
  char path[64];
  for (int i = 0; i < 4; i++) {
    log_path(path, id, all[i]);
    if (unlinkat(K.h.directory, path, 0) != 0 && errno != ENOENT) return errno;
  }
  log_path(path, id, "");
  return unlinkat(K.h.directory, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
}

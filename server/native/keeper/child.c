/*
 * The child between clone and exec. It runs on a copy of the keeper's memory, so it may write into the request.
 * Each step that can hang is announced on the report pipe, each failure reported; a successful exec closes it.
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_STRINGS (FRAME_MAX / 8 + 2)
static char *arguments[MOST_STRINGS], *environment[MOST_STRINGS]; /* never touched in the keeper itself */

static void report(int fd, uint32_t step, int error)
{
  uint32_t record[2] = {step, (uint32_t)error};
  while (write(fd, record, sizeof record) < 0 && errno == EINTR) continue;
}

static _Noreturn void fail(int fd, enum step step)
{
  report(fd, step, errno == 0 ? EIO : errno);
  _exit(127);
}

/* We may set any limit, the user that the worker becomes may not: it gets none above ours. */
static bool set_limits(struct span rest, bool bounded)
{
  struct span value;
  unsigned tag;
  struct rlimit original = {K.h.nofile_soft, K.h.nofile_hard};
  if (setrlimit(RLIMIT_NOFILE, &original) != 0) return false;
  while (next_field(&rest, &tag, &value)) {
    uint32_t resource;
    uint64_t limit[2], ours[2]; /* the kernel's struct rlimit64 */
    if (tag != TAG_RLIMIT) continue;
    memcpy(&resource, value.bytes, 4);
    memcpy(limit, value.bytes + 4, 16);
    if (syscall(SYS_prlimit64, 0, resource, NULL, ours) != 0) return false;
    errno = EPERM;
    if (bounded && limit[1] > ours[1]) return false;
    if (syscall(SYS_prlimit64, 0, resource, limit, NULL) != 0) return false;
  }
  return true;
}

/* Ends every string with a NUL, which overwrites the header of the next field: so only once that has been read. */
static void make_vectors(const struct request *request, char *path)
{
  struct span rest = request->fields, value;
  unsigned tag;
  size_t argument_count = 0, variable_count = 0;
  uint8_t *end = rest.bytes;
  while (next_field(&rest, &tag, &value)) {
    *end = 0;
    end = value.bytes + value.length;
    if (tag == TAG_ARG) arguments[argument_count++] = (char *)value.bytes;
    if (tag == TAG_ENV) environment[variable_count++] = (char *)value.bytes;
  }
  *end = 0;
  if (argument_count == 0) arguments[0] = path;
}

/* As execvp, but in the PATH of the worker, and a file of unknown format is not fed to a shell. */
static void search_and_execute(const char *name)
{
  const char *path = "/usr/local/bin:/usr/bin:/bin";
  for (char **variable = environment; *variable != NULL; variable++)
    if (strncmp(*variable, "PATH=", 5) == 0) path = *variable + 5;
  bool denied = false;
  errno = ENOENT;
  for (const char *end; name[0] != '\0'; path = end + 1) {
    char candidate[2 * PATH_MAX];
    end = strchrnul(path, ':');
    if (end - path < PATH_MAX && strlen(name) < PATH_MAX) {
      snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", name);
      execve(candidate, arguments, environment);
      if (errno == EACCES) denied = true;
      else if (errno != ENOENT && errno != ENOTDIR && errno != ENODEV && errno != ESTALE && errno != ETIMEDOUT) return;
    } else {
      errno = ENAMETOOLONG;
    }
    if (*end == '\0') break;
  }
  if (denied) errno = EACCES;
}

static void reset_oom_score(void)
{
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t ignored = write(fd, "0", 1);
  (void)ignored;
  close(fd);
}

/* Out of the way first: any of them may have one of these numbers. */
static int place_link(const struct start *start, int pipe)
{
  int high[] = {start->link, start->result, start->specification, pipe};
  for (int i = 0; i < 4; i++)
    if ((high[i] = fcntl(high[i], F_DUPFD_CLOEXEC, 16)) < 0) fail(pipe, STEP_SESSION);
  for (int i = 0; i < 3; i++)
    if (dup2(high[i], 3 + i) < 0) fail(pipe, STEP_SESSION);
  return high[3];
}

_Noreturn void child_run(const struct start *start)
{
  const struct request *request = start->request;
  int pipe = start->report, first = start->link < 0 ? 3 : 6;
  sigset_t none;
  if (dup2(start->in, 0) < 0 || dup2(start->out, 1) < 0 || dup2(start->err, 2) < 0) fail(pipe, STEP_SESSION);
  if (start->link >= 0) pipe = place_link(start, pipe);
  /* At once: while we are stuck on a dead mount we must not hold the keeper's lock or socket. */
  if (pipe > first && syscall(SYS_close_range, first, pipe - 1, 0) != 0) fail(pipe, STEP_SESSION);
  if (syscall(SYS_close_range, pipe + 1, ~0u, 0) != 0) fail(pipe, STEP_SESSION);
  /* What was ignored where the keeper was started ends here; the C library will not touch 32 and 33, the kernel will. */
  static const uint64_t default_action[8]; /* the kernel's struct sigaction, and more */
  for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, default_action, NULL, 8);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (setsid() < 0) fail(pipe, STEP_SESSION);
  umask(has(request, TAG_UMASK) ? request->umask & 0777 : K.h.umask);
  if (K.negative_oom_score) reset_oom_score();
  if (!set_limits(request->fields, start->uid != K.euid)) fail(pipe, STEP_RLIMIT);
  if (request->cpus.length != 0 &&
      syscall(SYS_sched_setaffinity, 0, request->cpus.length, request->cpus.bytes) != 0) fail(pipe, STEP_AFFINITY);
  if (start->change_user && (setgroups(1, &start->gid) != 0 || setresgid(start->gid, start->gid, start->gid) != 0 ||
                             setresuid(start->uid, start->uid, start->uid) != 0)) fail(pipe, STEP_USER);
  char *path = (char *)request->path.bytes, *cwd = request->cwd.length == 0 ? "/" : (char *)request->cwd.bytes;
  make_vectors(request, path);
  report(pipe, STEP_CWD, 0);
  if (chdir(cwd) != 0) fail(pipe, STEP_CWD);
  report(pipe, STEP_EXEC, 0);
  if (strchr(path, '/') != NULL) execve(path, arguments, environment);
  else search_and_execute(path);
  fail(pipe, STEP_EXEC);
}

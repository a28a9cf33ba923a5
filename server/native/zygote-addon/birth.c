/* Forking a Node process, and what it takes before JavaScript can run in the child. */
#define _GNU_SOURCE
#include "zygote.h"
#include "../fork/packet.h"
#include "../fork/birth.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int ENDING[] = {SIGTERM, SIGINT, SIGHUP};
enum { ENDINGS = sizeof ENDING / sizeof *ENDING };
static struct sigaction handlers[ENDINGS];
static bool awaits;

void birth_await_signals(bool by_default) {
  if (awaits == by_default) return;
  awaits = by_default;
  for (int i = 0; i < ENDINGS; i++) {
    if (by_default) {
      const struct sigaction plain = {.sa_handler = SIG_DFL};
      sigaction(ENDING[i], NULL, &handlers[i]);
      if (handlers[i].sa_handler != SIG_IGN) sigaction(ENDING[i], &plain, NULL);
    } else {
      sigaction(ENDING[i], &handlers[i], NULL);
    }
  }
}

/* Where the environment that the kernel was given says FORKBUS_PROCESS_ID; NULL where it does not. It is this that
 * /proc/PID/environ shows, whatever the C library's or Node's environment has become. */
static char *id_in_environment(void) {
  static const char name[] = "FORKBUS_PROCESS_ID=";
  enum { ID_LENGTH = 32 };
  char stat[2048];
  int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return NULL;
  ssize_t length = read(file, stat, sizeof stat - 1);
  close(file);
  if (length <= 0) return NULL;
  stat[length] = 0;
  /* Fields 50 and 51; what is behind the name begins with field 3. */
  char *field = strrchr(stat, ')');
  for (int number = 2; field != NULL && number < 50; number++) field = strchr(field + 1, ' ');
  unsigned long start, end;
  if (field == NULL || sscanf(field, "%lu %lu", &start, &end) != 2 || start == 0) return NULL;
  for (char *each = (char *)start; each < (char *)end; each += strlen(each) + 1) {
    if (strncmp(each, name, sizeof name - 1) != 0) continue;
    char *id = each + sizeof name - 1;
    return strlen(id) == ID_LENGTH ? id : NULL;
  }
  return NULL;
}

/* Everything that must be so before JavaScript runs again. */
static void repair(uv_loop_t *loop) {
  birth_await_signals(false);
  if (uv_loop_fork(loop) != 0) _exit(1);
  platform_repair();
}

static int prepare(int allowed_threads) {
  platform_drain();
  const int threads = quiet_threads();
  if (threads < 0) return threads;
  if (threads > allowed_threads) return -EBUSY;
  return quiet_share_heap();
}

pid_t birth_worker(uv_loop_t *loop, int link, int leaf, const uint8_t id[16], uint64_t asked, int allowed_threads) {
  static char *id_place;
  if (id_place == NULL) id_place = id_in_environment();
  char digits[33];
  for (int i = 0; i < 16; i++) snprintf(digits + 2 * i, 3, "%02x", id[i]);
  const int unready = prepare(allowed_threads);
  if (unready < 0) return unready;
  const pid_t worker = forkbus_fork_worker(link, leaf, asked, digits, id_place);
  if (worker == 0) repair(loop);
  return worker;
}

pid_t birth_child(uv_loop_t *loop) {
  const int unready = prepare(1 << 30);
  if (unready < 0) return unready;
  const pid_t child = fork();
  if (child == 0) repair(loop);
  return child < 0 ? -errno : child;
}

int birth_wait(pid_t child, int timeout_ms) {
  struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN};
  if (end.fd < 0) return -errno;
  const uint64_t deadline = monotonic_ns() + (uint64_t)timeout_ms * 1000000ull;
  int ended;
  do {
    const int64_t left = (int64_t)(deadline - monotonic_ns()) / 1000000;
    ended = poll(&end, 1, left > 0 ? (int)left : 0);
  } while (ended < 0 && errno == EINTR);
  close(end.fd);
  if (ended <= 0) kill(child, SIGKILL);
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -errno;
  }
  if (ended <= 0) return -ETIMEDOUT;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

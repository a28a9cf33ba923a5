#define _GNU_SOURCE
#include "birth.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fork.h"
#include "packet.h"

enum { LINK = 3, ID_DIGITS = 32, BIRTH_SIZE = 1 + 2 * sizeof(uint64_t) };

static void put_u64(unsigned char *to, uint64_t value) {
  for (int byte = 0; byte < 8; byte++) to[byte] = (unsigned char)(value >> (8 * byte));
}

pid_t forkbus_fork_worker(int link, int leaf, uint64_t asked_ns, const char *id, char *id_in_environment) {
  pid_t pid = forkbus_fork(leaf);
  if (pid != 0) return pid;
  unsigned char birth[BIRTH_SIZE] = {'B'};
  put_u64(birth + 1, asked_ns);
  put_u64(birth + 9, monotonic_ns());
  setsid();
  if (id_in_environment != NULL) memcpy(id_in_environment, id, ID_DIGITS);
  if (leaf >= 0) close(leaf);
  if (link != LINK) {
    dup3(link, LINK, O_CLOEXEC);
    close(link);
  }
  /* A keeper that is gone is noticed by whoever reads the link next. */
  (void)!send(LINK, birth, sizeof birth, MSG_NOSIGNAL);
  return 0;
}

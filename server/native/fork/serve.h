#ifndef FORKBUS_SERVE_H
#define FORKBUS_SERVE_H

#include <stdint.h>

/*
 * Serving forks for an interpreter that wants to know of each (Python's). It is done here because a fork leaves all pages
 * of both processes to be copied when they are next written to, and an interpreter writes to a page for each object that
 * it so much as looks at. Descriptor 3 is the link.
 */

/* Of the interpreter. All are called with its lock held, but for `acquire`. */
struct forkbus_interpreter {
  void (*before_fork)(void);
  void (*after_fork_in_parent)(void);
  void (*after_fork_in_child)(void);
  /* Runs the handlers of signals that have come; not 0 when one raised an exception. */
  int (*run_signal_handlers)(void);
  /* Its lock, while we wait. */
  void *(*release)(void);
  void (*acquire)(void *released);
  /* Where FORKBUS_PROCESS_ID=... was when the process began, or NULL. */
  char *id_in_environment;
};

enum forkbus_served {
  FORKBUS_RAISED = -1,  /* by the handler of a signal */
  FORKBUS_ENDED = 0,    /* with the link */
  FORKBUS_RELEASED = 1, /* by the keeper */
  FORKBUS_THREADS = 2,  /* an order to fork that cannot be followed: there are other threads, which the caller names */
  FORKBUS_BORN = 3,     /* this is a child, which has been told to go: its files are in place */
  FORKBUS_HELD = 4,     /* this is a child, which will be told to go some time */
};

struct forkbus_order {
  uint8_t id[16];
  int32_t specification; /* of FORKBUS_BORN: the descriptor */
  int32_t reserved;
  int64_t specification_size;
};

/* Serves until there is something for the interpreter. */
__attribute__((visibility("default"))) enum forkbus_served forkbus_serve(const struct forkbus_interpreter *interpreter,
                                                                         struct forkbus_order *order);
/* A child that is held waits for its go, and puts its files in place. Without a go it exits: it has never been. */
__attribute__((visibility("default"))) void forkbus_await_go(struct forkbus_order *order);

/* What the kernel shows of the process: `title` over its arguments, which are `room` bytes, and `name`, of 15. */
__attribute__((visibility("default"))) void forkbus_set_title(char *arguments, uint64_t room, const char *title,
                                                              const char *name);
/* Of all streams of the C library. Not 0 when something could not be written. */
__attribute__((visibility("default"))) int forkbus_flush(void);

/* Counts changes of what is above: Python asks for it before it calls. */
enum { FORKBUS_FORK_VERSION = 2 };
__attribute__((visibility("default"))) extern const int32_t forkbus_fork_version;

#endif

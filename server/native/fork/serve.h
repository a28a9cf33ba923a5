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

/* What serving ended with; what is not negative is the descriptor of a specification: this is a child, which has been told
 * to go, and whose other files are in place. */
enum forkbus_served {
  FORKBUS_ENDED = -1,    /* with the link */
  FORKBUS_RELEASED = -2, /* by the keeper */
  FORKBUS_THREADS = -3,  /* an order to fork that cannot be followed: there are other threads, which the caller names */
  FORKBUS_HELD = -4,     /* this is a child, which will be told to go some time */
  FORKBUS_RAISED = -5,   /* by the handler of a signal */
};

/* Serves until there is something for the interpreter. `id` gets the 16 bytes of the worker of the last order. */
__attribute__((visibility("default"))) int forkbus_serve(const struct forkbus_interpreter *interpreter, uint8_t *id);
/* A child that is held waits for its go, and puts its files in place. Its specification; without a go it exits: it has never
 * been. */
__attribute__((visibility("default"))) int forkbus_await_go(void);

/* What the kernel shows of the process: `title` over its arguments, which are `room` bytes, and `name`, of 15. */
__attribute__((visibility("default"))) void forkbus_set_title(char *arguments, uint64_t room, const char *title,
                                                              const char *name);
/* Of all streams of the C library. Not 0 when something could not be written. */
__attribute__((visibility("default"))) int forkbus_flush(void);

/* Counts changes of what is above: Python asks for it before it calls. */
enum { FORKBUS_FORK_VERSION = 2 };
__attribute__((visibility("default"))) extern const int32_t forkbus_fork_version;

#endif

/* The keeper's state and what each file offers the others. One thread: nothing here is locked. */
#ifndef FORKBUS_KEEPER_H
#define FORKBUS_KEEPER_H
#include "protocol.h"
#include <sys/resource.h>
#include <sys/types.h>

#ifndef KEEPER_VERSION
#define KEEPER_VERSION "0.0.0"
#endif
#define MS_PER_S 1000
#define NEVER UINT64_MAX
/* An upgrade carries what is in these buffers: they may only grow. */
#define IN_BYTES (FRAME_MAX + (512u << 10))
#define OUT_BYTES (256u << 10)
#define NAME_BYTES (2 * ID_BYTES + 1)

enum { FEATURE_CGROUP = 1, FEATURE_CGROUP_KILL = 2, FEATURE_CLONE_INTO = 4, FEATURE_PUNCH = 8, FEATURE_EXIT_INFO = 16,
       FEATURE_RUN_AS = 32, FEATURE_MEMORY = 64, FEATURE_PIDS = 128, FEATURE_CPU = 256 };

/* STARTING, RUNNING and EXITED are the protocol's, which has numbers of its own for what waits for GO (notices.c); the others
 * are the keeper's own business. */
enum state {
  FREE = 0,
  STARTING = 1,
  RUNNING = 2,
  EXITED_UNACKED = 3,
  DYING = 4,  /* its start failed; it is being killed and will be reaped */
  FAILED = 5, /* reaped; SPAWN_FAILED is not sent yet */
  CLOSING = 6, /* acknowledged and reaped; some of its tree or its cgroup is left */
  UNBORN = 7,  /* a fork server was asked for it; there is no process yet that we know of */
  HELD = 8     /* it waits for GO */
};

/* Of what is to wait for GO, and has not been told to go: whether its files come with that, or are in place already. */
enum hold { HOLD_FORKED = 1, HOLD_SPAWNED = 2 };

enum { PENDING_SPAWNED = 1, PENDING_STDIN_READY = 2, PENDING_EXITED = 4, PENDING_TREE_GONE = 8, PENDING_FAILED = 16,
       PENDING_BORN = 32, PENDING_SERVING = 64, PENDING_FIRST_LINE = 128 };

/* Its SERVING: after UNSERVE it gets no more orders, and answers those that it has. */
enum { SERVES_NOT, SERVES, SERVES_NO_MORE };

/* What a forked child gets with its go, in this order. */
enum { GO_SPECIFICATION, GO_RESULT, GO_STDIN, GO_STDOUT, GO_STDERR, GO_FDS };

enum { MOMENT_ORDERED, MOMENT_ASKED, MOMENT_FORKED, MOMENT_GO, MOMENT_SPECIALISED, MOMENT_FIRST_LINE, MOMENTS };

struct stream {
  uint64_t epoch, begin, end, scan_at;
  uint32_t backoff_ms, unused;
};

/*
 * One worker. APPEND ONLY: an upgraded keeper reads the slots of the old one (upgrade.c); new members go to the
 * end and 0 must mean "not known" for them.
 */
struct slot {
  uint8_t id[ID_BYTES];
  uint8_t state, foreign, leaf, tree, killing, told, stdin_closed, stdin_waiting;
  uint32_t flags, pending, generation;
  int32_t pid, pidfd, report_fd, stdin_fd;
  uint64_t start_ticks, start_time_ns, cloned_us, deadline_ms;
  uint32_t clone_us, exec_us, step, error;
  uint64_t stdin_offset, log_max;
  struct stream streams[2];
  uint32_t exit_kind, exit_value;
  uint64_t usage[7], end_time_ns;
  uint32_t by_id, by_pid, queue, queued; /* links: index + 1, 0 at the end */
  uint64_t orphans_seen;                 /* the number of the last scan that found some */
  uint64_t retry_at, give_up_at;         /* of removing what is left of it */
  uint32_t retry_ms, exit_source;
  int32_t link_fd, go_fds[GO_FDS]; /* -1 where there is none; in go_fds also for /dev/null and a merged stderr */
  uint32_t uid;                    /* whom it was started as: the user of what it forks */
  uint8_t serving, hold, bare, unused; /* hold: an enum hold, or 0; bare: a directory of its id is not its own */
  uint8_t server[ID_BYTES];
  uint64_t moments[MOMENTS];
  uint64_t heard_ms;   /* of a fork server: when it last answered an order */
  uint64_t idle_since; /* of one that is not born: since when its fork server has been seen to do nothing; or 0 */
};

/* What an upgrade hands over besides the slots. APPEND ONLY, like struct slot. */
struct handover {
  uint8_t instance[16];
  int32_t listener, connection, lock, directory, cgroup, unused;
  uint32_t features, umask;
  uint64_t nofile_soft, nofile_hard, hello_by;
  uint8_t greeted, flowing, stopping, killed;
  uint32_t slots; /* high water mark */
  uint64_t stop_by;
  char cgroup_path[1024];
};

struct keeper {
  struct handover h;
  /* options */
  const char *socket_path, *directory_path, *cgroup_mode, *policy_path;
  uid_t owner, euid;
  gid_t egid, owner_gid, group;
  bool has_group, negative_oom_score;
  uint64_t reserve_bytes, start_deadline_ms, idle_exit_ms;
  uint32_t max_workers;
  char **argv;
  int resumed; /* holds the state of the keeper that we were before an upgrade, or -1 */
  /* run time */
  struct slot *slots;
  uint32_t used; /* slots that are not FREE */
  int epoll, signals, null;
  uint64_t now_ms, tick_at, children_at, idle_since, scan_number, scanned_at;
  bool no_space, trees_left, no_children_file, end_of_input, discard, list_clears;
  uint32_t listing, list_request; /* index + 1 of the next slot to list, 0 when no LIST is under way */
  uint8_t *in;
  size_t in_begin, in_end;
  struct writer out;
};
extern struct keeper K;

/* main.c */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t clock_us(int clock);
void tick_before(uint64_t ms);

/* options.c */
void parse_options(int argc, char **argv);

/* events.c: what an epoll event is about */
enum event { ON_LISTENER, ON_CONNECTION, ON_SIGNAL, ON_PIDFD, ON_REPORT, ON_STDIN, ON_LINK };
bool watch(enum event event, struct slot *slot, int fd, uint32_t events);
bool rewatch(enum event event, struct slot *slot, int fd, uint32_t events);
void unwatch(int fd);
void close_fd(int32_t *fd);

/* worker-table.c */
bool table_create(void);
void table_link(void);
struct slot *slot_take(const uint8_t id[ID_BYTES]);
void slot_set_pid(struct slot *slot, pid_t pid);
void slot_free(struct slot *slot);
struct slot *slot_any(const uint8_t id[ID_BYTES]);
struct slot *slot_by_id(const uint8_t id[ID_BYTES]);
struct slot *slot_by_pid(pid_t pid);
static inline uint32_t slot_index(const struct slot *slot) { return (uint32_t)(slot - K.slots); }
static inline bool is_visible(const struct slot *slot)
{
  return (slot->state >= STARTING && slot->state <= EXITED_UNACKED) || slot->state == HELD;
}

/* connection.c */
void connection_accept(void);
void connection_event(uint32_t events);
void connection_pump(void);
void connection_close(void);
bool connection_busy(void);
uint64_t connection_deadline(void);

/* requests.c */
void answer(const struct request *request);
void reply_ok(uint32_t request);
void reply_error(uint32_t request, int error, const char *message);

/* notices.c */
void notify(struct slot *slot, uint32_t pending);
void send_notices(void);
void send_list(void);
void forget_notices(void);
void put_positions(struct writer *out, const struct slot *slot);
bool spawn_failed(const uint8_t id[ID_BYTES], uint32_t step, int error, const char *message);

/* spawn.c, child.c */
struct start {
  const struct request *request;
  int in, out, err, report, link, result, specification; /* the worker's */
  int leaf, our_in, our_report, our_link;
  unsigned parts;
  bool change_user;
  uid_t uid;
  gid_t gid;
};
#define EMPTY_START(the_request) {.request = (the_request), .in = -1, .out = -1, .err = -1, .report = -1, .link = -1, \
  .result = -1, .specification = -1, .leaf = -1, .our_in = -1, .our_report = -1, .our_link = -1}
enum { PART_FILES = 1, PART_SPECIFICATION = 2, PART_REPORT = 4, PART_LINK = 8, PART_LEAF = 16, PART_LIMITS = 32 };
bool open_stdin(struct start *start);
bool start_prepare(struct start *start, unsigned parts, uint32_t *step);
struct slot *start_slot(struct start *start);
void start_close(struct start *start);
void start_undo(struct start *start, struct slot *slot, uint32_t step);
int start_refusal(const struct request *request, bool needs_data);
void spawn(const struct request *request);
void start_reported(struct slot *slot);
void start_done(struct slot *slot);
void start_abandon(struct slot *slot, uint32_t step, int error);
bool write_specification(int memory, const struct span *data);
_Noreturn void child_run(const struct start *start);

/* link.c */
bool link_open(int *ours, int *theirs);
void link_event(struct slot *slot);
void link_drain(struct slot *slot);
void link_close(struct slot *slot);
bool link_send(const struct slot *slot, const void *bytes, size_t length, const int *fds, int count);

/* fork.c */
void fork_worker(const struct request *request);
void go(const struct request *request);
void stop_births(void);
void born(struct slot *slot, pid_t pid, uint64_t asked, uint64_t forked);
bool waits(struct slot *slot, pid_t pid, uint64_t asked, uint64_t forked);
void never_born(struct slot *slot, uint32_t step, int error, const char *message);
void unborn_check(struct slot *slot);
bool is_stopped_at_go(const struct slot *slot);

/* pin.c */
int pin(const struct request *request);

/* exits.c */
void exit_noticed(struct slot *slot);
void exits_finish(void);
void slot_check(struct slot *slot);
int adopt(const struct request *request);
bool close_worker(struct slot *slot);
void try_to_free(struct slot *slot);

/* identity.c */
bool process_mark(pid_t pid, uint8_t id[ID_BYTES]);
bool sits_in_leaf(pid_t pid, const uint8_t id[ID_BYTES]);
bool is_in_leaf(int tasks, const uint8_t id[ID_BYTES]);
bool is_worker(pid_t pid, const uint8_t id[ID_BYTES]);

/* tree.c */
void children_scan(void);
bool tree_alive(struct slot *slot);
int tree_signal(struct slot *slot, int signal);

/* process-stat.c */
struct process_stat {
  char state;
  pid_t parent, session;
  uint32_t flags;
  uint64_t start_ticks;
  int exit_code; /* of a zombie; 0 also when we may not see it */
};
#define PF_FORKNOEXEC 0x40
bool read_process_stat(pid_t pid, struct process_stat *stat);
ssize_t read_file(int directory, const char *path, char *buffer, size_t size);
bool write_file(int directory, const char *path, const void *bytes, size_t length);
bool next_entry(int directory, char *buffer, size_t size, long *filled, long *at, char **name, uint8_t *type);

/* cgroup-setup.c */
bool cgroup_setup(void);
void cgroup_teardown(void);
void cgroup_look_again(void);

/* cgroup-remains.c */
void cgroup_sweep(const char *path);
void cgroup_take_over(struct slot *slot);

/* cgroup.c */
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
bool cgroup_create(const uint8_t id[ID_BYTES], int *fd);
bool cgroup_populated(const struct slot *slot);
void cgroup_kill(const struct slot *slot);
typedef int cgroup_visitor(pid_t pid, void *argument);
int cgroup_each(const struct slot *slot, cgroup_visitor *visit, void *argument);
int cgroup_signal(const struct slot *slot, int signal);
int cgroup_walk(int directory, cgroup_visitor *visit, void *argument);
bool cgroup_remove(const uint8_t id[ID_BYTES]);
void cgroup_leaf_path(const struct slot *slot, char *path, size_t size);
void leaf_file(char path[64], const uint8_t id[ID_BYTES], const char *file);

/* delegation.c */
#define CGROUP_PATH 8192
bool cgroup_of(const char *process, char path[CGROUP_PATH], const char **below);
bool delegated_directory(int choice, char *path, size_t size);
void enable_controllers(void);

/* leaf.c */
void leaf_copy_limits(int from, const uint8_t id[ID_BYTES]);
bool leaf_limits(const struct request *request);
bool leaf_slows(const struct request *request);
bool leaf_enter(const struct slot *slot);

/* logs.c */
bool logs_probe(void);
bool logs_create(const struct request *request, struct start *start, uint32_t *step);
bool logs_create_result(struct start *start);
void logs_load(struct slot *slot);
void logs_scan(struct slot *slot, bool force);
void logs_check_space(void);
void logs_remove_stream(const uint8_t id[ID_BYTES], int which);
int logs_remove(const uint8_t id[ID_BYTES]);

/* policy.c */
bool look_up(const char *file, const char *key, uint32_t *number, uint32_t *second);
bool policy_check(const char *path);
bool policy_load(const char *path);
bool policy_allows(uid_t uid);
bool policy_resolve(const struct request *request, struct start *start);

/* upgrade.c */
int upgrade(const struct request *request);
bool resume(int memory);
#endif

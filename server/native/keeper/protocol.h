/*
 * The keeper protocol, version 1: frames of fields over a byte stream. Pure: no system calls, no globals.
 *
 * frame = u32 length of what follows, u16 type, u16 zero, u32 request, fields; field = u16 tag, u16 zero,
 * u32 length, bytes. Little-endian, no padding. Unknown tags are skipped.
 */
#ifndef FORKBUS_KEEPER_PROTOCOL_H
#define FORKBUS_KEEPER_PROTOCOL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_VERSION 1
#define FRAME_MAX (4u << 20)
#define ID_BYTES 16

enum tag {
  TAG_ID = 1, TAG_VERSION_MIN, TAG_VERSION_MAX, TAG_ERRNO, TAG_STEP, TAG_PATH, TAG_ARG, TAG_ENV, TAG_CWD, TAG_CPUS,
  TAG_RLIMIT, TAG_UID, TAG_GID, TAG_FLAGS, TAG_LOG_MAX_BYTES, TAG_PID, TAG_START_TICKS, TAG_START_TIME_NS, TAG_STATE,
  TAG_EXIT_CODE_KIND, TAG_EXIT_VALUE, TAG_USAGE, TAG_END_TIME_NS, TAG_SIGNAL, TAG_SCOPE, TAG_OFFSET, TAG_DATA,
  TAG_CLOSE, TAG_CGROUP, TAG_MESSAGE, TAG_KEEPER_VERSION, TAG_FEATURES, TAG_MAX_WORKERS, TAG_INSTANCE, TAG_BOOT_ID,
  TAG_PID_NAMESPACE, TAG_TIMINGS, TAG_STDOUT_POSITION, TAG_STDERR_POSITION, TAG_TREE, TAG_DIRECTORY, TAG_UMASK,
  TAG_EXIT_SOURCE = 44, TAG_SERVER, TAG_MOMENTS, TAG_SERVING, TAG_LIMIT
};

enum type {
  HELLO = 1, WELCOME, SPAWN, SIGNAL, ACK_EXIT, WRITE_STDIN, LIST, SCAN_LOGS, REMOVE, UPGRADE, SHUTDOWN, ADOPT,
  FORK, GO, PIN, UNSERVE,
  OK = 64, ERROR, STDIN, WORKER, LIST_END, LOGS,
  SPAWNED = 96, SPAWN_FAILED, EXITED, TREE_GONE, STDIN_READY, BORN, SERVING, FIRST_LINE
};

enum step {
  STEP_REQUEST = 1, STEP_DIRECTORY, STEP_FILES, STEP_CGROUP, STEP_CLONE, STEP_SESSION, STEP_RLIMIT, STEP_AFFINITY,
  STEP_USER, STEP_CWD, STEP_EXEC, STEP_BIRTH, STEP_FORK, STEP_SPECIFICATION, STEP_LIMITS
};

enum { FLAG_STDIN_PIPE = 1, FLAG_MERGE_STDERR = 2, FLAG_NULL_STDOUT = 4, FLAG_NULL_STDERR = 8, FLAG_WAIT_TREE = 16,
       FLAG_LINK = 32, FLAG_HOLD = 64 };

/* Besides 1 to 3: starting, running, exited. */
enum listed_state { LISTED_HELD = 4, LISTED_TO_BE_HELD = 5 };

enum exit_source { SOURCE_WAITID = 1, SOURCE_PIDFD_INFO, SOURCE_PROC_STAT };

struct span {
  uint8_t *bytes;
  size_t length;
};

/* A decoded request. The spans point into the frame; `fields` holds the repeated ones (ARG, ENV, RLIMIT, LIMIT). */
struct request {
  uint16_t type;
  uint32_t number;
  uint64_t present; /* bit per tag */
  bool valid;       /* every known field has its size, and no string holds a NUL */
  struct span fields, path, cwd, cpus, data;
  uint8_t id[ID_BYTES], server[ID_BYTES];
  uint32_t version_min, version_max, uid, gid, flags, pid, signal, scope, close, umask;
  uint64_t log_max, start_ticks, offset, seen[2][3]; /* seen: of stdout and stderr; epoch, begin, end */
};

static inline bool has(const struct request *request, enum tag tag) { return request->present >> tag & 1; }

/* Takes the next field off `rest`; false at the end or where a length lies (then rest->length is not 0). */
bool next_field(struct span *rest, unsigned *tag, struct span *value);

/* The bytes that the first frame takes, 0 while it is incomplete, -1 when it is malformed. */
long decode_request(uint8_t *bytes, size_t length, struct request *request);

/* A bounded buffer of whole frames: one that does not fit leaves no trace. */
struct writer {
  uint8_t *bytes;
  size_t capacity, begin, end, frame;
  bool overflow;
};

void begin_frame(struct writer *writer, enum type type, uint32_t request);
void put_bytes(struct writer *writer, enum tag tag, const void *bytes, size_t length);
void put_u32(struct writer *writer, enum tag tag, uint32_t value);
void put_u64(struct writer *writer, enum tag tag, uint64_t value);
void put_string(struct writer *writer, enum tag tag, const char *string);
bool end_frame(struct writer *writer);

void format_id(const uint8_t id[ID_BYTES], char hex[2 * ID_BYTES + 1]);
bool parse_id(const char *hex, uint8_t id[ID_BYTES]);
#endif

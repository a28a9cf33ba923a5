/* The addon's functions. Those that can fail answer an errno, negated. */
#define _GNU_SOURCE
#include "zygote.h"
#include "../fork/packet.h"
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_CPUS = 8192 };

static napi_value number(napi_env env, int64_t value) {
  napi_value made = NULL;
  napi_create_int64(env, value, &made);
  return made;
}

static napi_value text(napi_env env, const char *value) {
  napi_value made = NULL;
  napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &made);
  return made;
}

/* Arguments that are missing, or are no numbers, count as 0: the only caller is ours. */
enum { MOST_ARGUMENTS = 4 };
struct arguments {
  napi_value values[MOST_ARGUMENTS];
};

static struct arguments arguments_of(napi_env env, napi_callback_info info) {
  struct arguments given = {{NULL}};
  size_t count = MOST_ARGUMENTS;
  napi_get_cb_info(env, info, &count, given.values, NULL, NULL);
  return given;
}

static int32_t int_of(napi_env env, napi_value value) {
  int32_t found = 0;
  napi_get_value_int32(env, value, &found);
  return found;
}

static uv_loop_t *loop_of(napi_env env) {
  uv_loop_t *loop = NULL;
  napi_get_uv_event_loop(env, &loop);
  return loop;
}

/* unfit(): why this process cannot be forked, or "". */
static napi_value unfit(napi_env env, napi_callback_info info) {
  (void)info;
  const char *why = platform_unfit();
  return text(env, why == NULL ? "" : why);
}

static uint64_t received_at;

/* receive(socket): {bytes, files}; no bytes at the end of the link, or an errno, negated. */
static napi_value receive(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  static struct packet packet;
  const int failed = packet_await(int_of(env, given.values[0]), &packet);
  if (failed < 0) return number(env, failed);
  received_at = packet.at;
  napi_value answer, bytes, files;
  napi_create_object(env, &answer);
  napi_create_buffer_copy(env, packet.length, packet.bytes, NULL, &bytes);
  napi_create_array_with_length(env, (size_t)packet.file_count, &files);
  for (int i = 0; i < packet.file_count; i++) {
    napi_set_element(env, files, (uint32_t)i, number(env, packet.files[i]));
  }
  napi_set_named_property(env, answer, "bytes", bytes);
  napi_set_named_property(env, answer, "files", files);
  return answer;
}

/* forkWorker(link, leaf, id, allowedThreads): as birth_worker, for the order that was received last. */
static napi_value fork_worker(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  void *id = NULL;
  size_t length = 0;
  napi_get_buffer_info(env, given.values[2], &id, &length);
  if (length != 16) return number(env, -EINVAL);
  uint8_t copy[16];
  memcpy(copy, id, sizeof copy);
  const int link = int_of(env, given.values[0]), leaf = int_of(env, given.values[1]);
  return number(env, birth_worker(loop_of(env), link, leaf, copy, received_at, int_of(env, given.values[3])));
}

static napi_value fork_child(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, birth_child(loop_of(env)));
}

/* waitFor(child, timeoutMs) */
static napi_value wait_for(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  return number(env, birth_wait(int_of(env, given.values[0]), int_of(env, given.values[1])));
}

/* awaitSignals(byDefault) */
static napi_value await_signals(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  bool by_default = false;
  napi_get_value_bool(env, given.values[0], &by_default);
  birth_await_signals(by_default);
  return NULL;
}

/* move(from, to, closeOnExec): the descriptor has the number `to` alone. */
static napi_value move(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  const int from = int_of(env, given.values[0]);
  bool close_on_exec = false;
  napi_get_value_bool(env, given.values[2], &close_on_exec);
  if (dup3(from, int_of(env, given.values[1]), close_on_exec ? O_CLOEXEC : 0) < 0) return number(env, -errno);
  close(from);
  return number(env, 0);
}

/* setCpus(cpus) */
static napi_value set_cpus(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  static cpu_set_t set[MOST_CPUS / CPU_SETSIZE];
  CPU_ZERO_S(sizeof set, set);
  uint32_t count = 0;
  napi_get_array_length(env, given.values[0], &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value each;
    napi_get_element(env, given.values[0], i, &each);
    const int cpu = int_of(env, each);
    if (cpu < 0 || cpu >= MOST_CPUS) return number(env, -EINVAL);
    CPU_SET_S((size_t)cpu, sizeof set, set);
  }
  return number(env, sched_setaffinity(0, sizeof set, set) == 0 ? 0 : -errno);
}

/* setLimit(resource, soft, hard): the limits are bigints. */
static napi_value set_limit(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  uint64_t soft = 0, hard = 0;
  bool whole;
  napi_get_value_bigint_uint64(env, given.values[1], &soft, &whole);
  napi_get_value_bigint_uint64(env, given.values[2], &hard, &whole);
  const struct rlimit64 limit = {soft, hard};
  const int resource = int_of(env, given.values[0]);
  return number(env, prlimit64(0, resource, &limit, NULL) == 0 ? 0 : -errno);
}

/* processId(): the process knows only what it was when Node started. */
static napi_value process_id(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, getpid());
}

static napi_value threads(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, platform_threads());
}

/* exitWith(code): at the end of Node's own way out. */
static napi_value exit_with(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  platform_exit_with(int_of(env, given.values[0]));
  return NULL;
}

/* exitNow(code) */
static napi_value exit_now(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  _exit(int_of(env, given.values[0]) & 255);
}

#define FUNCTION(name, call) {name, NULL, call, NULL, NULL, NULL, napi_enumerable, NULL}

static napi_value init(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      FUNCTION("unfit", unfit),
      FUNCTION("receive", receive),
      FUNCTION("forkWorker", fork_worker),
      FUNCTION("forkChild", fork_child),
      FUNCTION("waitFor", wait_for),
      FUNCTION("awaitSignals", await_signals),
      FUNCTION("move", move),
      FUNCTION("setCpus", set_cpus),
      FUNCTION("setLimit", set_limit),
      FUNCTION("processId", process_id),
      FUNCTION("platformThreads", threads),
      FUNCTION("exitWith", exit_with),
      FUNCTION("exitNow", exit_now),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)

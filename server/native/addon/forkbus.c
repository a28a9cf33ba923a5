/* The kernel calls that the daemon needs and Node does not offer. N-API only: one binary for every Node version. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The errors that these calls are documented to give, as Node names them in `code`. */
static const char *code_of(int error) {
  switch (error) {
    case EBADF: return "EBADF";
    case EDEADLK: return "EDEADLK";
    case EINVAL: return "EINVAL";
    case ENOLCK: return "ENOLCK";
    case ENOPROTOOPT: return "ENOPROTOOPT";
    case ENOTSOCK: return "ENOTSOCK";
    default: return "EIO";
  }
}

static napi_value throw_errno(napi_env env, const char *call, int error) {
  char message[256];
  snprintf(message, sizeof message, "%s: %s", call, strerror(error));
  napi_throw_error(env, code_of(error), message);
  return NULL;
}

/* The one argument of every function here: a descriptor. Throws and returns false when it is none. */
static bool descriptor_argument(napi_env env, napi_callback_info info, int32_t *fd) {
  size_t count = 1;
  napi_value argument;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == napi_ok && count >= 1 &&
      napi_get_value_int32(env, argument, fd) == napi_ok) {
    return true;
  }
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "A descriptor is a whole number");
  return false;
}

static bool set_number(napi_env env, napi_value object, const char *name, double value) {
  napi_value number;
  return napi_create_double(env, value, &number) == napi_ok &&
         napi_set_named_property(env, object, name, number) == napi_ok;
}

/* peerCredentials(fd): { pid, uid, gid } of the process that connected this Unix socket. */
static napi_value peer_credentials(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!descriptor_argument(env, info, &fd)) return NULL;
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return throw_errno(env, "getsockopt SO_PEERCRED", errno);
  }
  napi_value result;
  if (napi_create_object(env, &result) != napi_ok || !set_number(env, result, "pid", peer.pid) ||
      !set_number(env, result, "uid", peer.uid) || !set_number(env, result, "gid", peer.gid)) {
    return NULL;
  }
  return result;
}

/*
 * lockFile(fd): 0 when this process now has the write lock on the whole file, else the pid of the process that has
 * it, or -1 when that one is in another pid namespace. The kernel drops the lock when the process ends, or when it
 * closes any descriptor of that file.
 */
static napi_value lock_file(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!descriptor_argument(env, info, &fd)) return NULL;
  struct flock lock;
  do {
    lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &lock) == 0) {
      lock.l_pid = 0;
      break;
    }
    if (errno != EACCES && errno != EAGAIN && errno != EINTR) return throw_errno(env, "fcntl F_SETLK", errno);
    if (fcntl(fd, F_GETLK, &lock) != 0) return throw_errno(env, "fcntl F_GETLK", errno);
    if (lock.l_pid == 0) lock.l_pid = -1;
    /* Let go in between: try again. */
  } while (lock.l_type == F_UNLCK);
  napi_value result;
  return napi_create_int32(env, lock.l_pid, &result) == napi_ok ? result : NULL;
}

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
  const napi_property_descriptor functions[] = {
      {"peerCredentials", NULL, peer_credentials, NULL, NULL, NULL, napi_enumerable, NULL},
      {"lockFile", NULL, lock_file, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  if (napi_define_properties(env, exports, sizeof functions / sizeof functions[0], functions) != napi_ok) return NULL;
  return exports;
}

#include "protocol.h"
#include <endian.h>
#include <string.h>

#define FRAME_HEADER 8 /* after the length */
#define FIELD_HEADER 8

static uint16_t get16(const uint8_t *bytes) { uint16_t v; memcpy(&v, bytes, 2); return le16toh(v); }
static uint32_t get32(const uint8_t *bytes) { uint32_t v; memcpy(&v, bytes, 4); return le32toh(v); }
static uint64_t get64(const uint8_t *bytes) { uint64_t v; memcpy(&v, bytes, 8); return le64toh(v); }

bool next_field(struct span *rest, unsigned *tag, struct span *value)
{
  if (rest->length < FIELD_HEADER) return false;
  size_t length = get32(rest->bytes + 4);
  if (get16(rest->bytes + 2) != 0 || length > rest->length - FIELD_HEADER) return false;
  *tag = get16(rest->bytes);
  *value = (struct span){rest->bytes + FIELD_HEADER, length};
  rest->bytes += FIELD_HEADER + length;
  rest->length -= FIELD_HEADER + length;
  return true;
}

static bool fixed(const struct span *value, void *to, size_t size)
{
  if (value->length != size) return false;
  uint64_t v = size == 4 ? get32(value->bytes) : get64(value->bytes);
  uint32_t narrow = (uint32_t)v;
  memcpy(to, size == 4 ? (void *)&narrow : (void *)&v, size);
  return true;
}

static bool position(const struct span *value, uint64_t to[3])
{
  if (value->length != 24) return false;
  for (int i = 0; i < 3; i++) to[i] = get64(value->bytes + 8 * i);
  return true;
}

static bool text(const struct span *value, struct span *to)
{
  if (to != NULL) *to = *value;
  return memchr(value->bytes, 0, value->length) == NULL;
}

static bool take(struct request *r, unsigned tag, const struct span *value)
{
  switch (tag) {
  case TAG_ID:
    if (value->length != ID_BYTES) return false;
    memcpy(r->id, value->bytes, ID_BYTES);
    return true;
  case TAG_SERVER:
    if (value->length != ID_BYTES) return false;
    memcpy(r->server, value->bytes, ID_BYTES);
    return true;
  case TAG_VERSION_MIN: return fixed(value, &r->version_min, 4);
  case TAG_VERSION_MAX: return fixed(value, &r->version_max, 4);
  case TAG_UID: return fixed(value, &r->uid, 4);
  case TAG_GID: return fixed(value, &r->gid, 4);
  case TAG_FLAGS: return fixed(value, &r->flags, 4);
  case TAG_PID: return fixed(value, &r->pid, 4);
  case TAG_SIGNAL: return fixed(value, &r->signal, 4);
  case TAG_SCOPE: return fixed(value, &r->scope, 4);
  case TAG_CLOSE: return fixed(value, &r->close, 4);
  case TAG_UMASK: return fixed(value, &r->umask, 4);
  case TAG_LOG_MAX_BYTES: return fixed(value, &r->log_max, 8);
  case TAG_START_TICKS: return fixed(value, &r->start_ticks, 8);
  case TAG_OFFSET: return fixed(value, &r->offset, 8);
  case TAG_STDOUT_POSITION: return position(value, r->seen[0]);
  case TAG_STDERR_POSITION: return position(value, r->seen[1]);
  case TAG_RLIMIT: return value->length == 20;
  case TAG_PATH: return text(value, &r->path);
  case TAG_CWD: return text(value, &r->cwd);
  case TAG_ARG:
  case TAG_LIMIT:
  case TAG_ENV: return text(value, NULL);
  case TAG_CPUS: r->cpus = *value; return true;
  case TAG_DATA: r->data = *value; return true;
  default: return true;
  }
}

long decode_request(uint8_t *bytes, size_t length, struct request *request)
{
  if (length < 4) return 0;
  size_t frame = get32(bytes);
  if (frame < FRAME_HEADER || frame > FRAME_MAX) return -1;
  if (length < 4 + frame) return 0;
  if (get16(bytes + 6) != 0) return -1;
  *request = (struct request){.type = get16(bytes + 4), .number = get32(bytes + 8), .valid = true};
  request->fields = (struct span){bytes + 4 + FRAME_HEADER, frame - FRAME_HEADER};
  struct span rest = request->fields, value;
  unsigned tag;
  while (next_field(&rest, &tag, &value)) {
    if (tag < 64) request->present |= UINT64_C(1) << tag;
    if (!take(request, tag, &value)) request->valid = false;
  }
  return rest.length == 0 ? (long)(4 + frame) : -1;
}

static void append(struct writer *w, const void *bytes, size_t length)
{
  if (w->overflow || w->capacity - w->end < length) {
    w->overflow = true;
    return;
  }
  if (length != 0) memcpy(w->bytes + w->end, bytes, length);
  w->end += length;
}

static void append_header(struct writer *w, uint16_t kind, uint32_t number)
{
  uint16_t head[2] = {htole16(kind), 0};
  number = htole32(number);
  append(w, head, sizeof head);
  append(w, &number, sizeof number);
}

void begin_frame(struct writer *w, enum type type, uint32_t request)
{
  if (w->begin != 0 && w->capacity - w->end < 16384) {
    memmove(w->bytes, w->bytes + w->begin, w->end - w->begin);
    w->end -= w->begin;
    w->begin = 0;
  }
  w->frame = w->end;
  w->overflow = false;
  append(w, "\0\0\0\0", 4);
  append_header(w, (uint16_t)type, request);
}

void put_bytes(struct writer *w, enum tag tag, const void *bytes, size_t length)
{
  append_header(w, (uint16_t)tag, (uint32_t)length);
  append(w, bytes, length);
}

void put_u32(struct writer *w, enum tag tag, uint32_t value)
{
  value = htole32(value);
  put_bytes(w, tag, &value, sizeof value);
}

void put_u64(struct writer *w, enum tag tag, uint64_t value)
{
  value = htole64(value);
  put_bytes(w, tag, &value, sizeof value);
}

void put_string(struct writer *w, enum tag tag, const char *string) { put_bytes(w, tag, string, strlen(string)); }

bool end_frame(struct writer *w)
{
  if (w->overflow) {
    w->end = w->frame;
    return false;
  }
  uint32_t length = htole32((uint32_t)(w->end - w->frame - 4));
  memcpy(w->bytes + w->frame, &length, sizeof length);
  return true;
}

void format_id(const uint8_t id[ID_BYTES], char hex[2 * ID_BYTES + 1])
{
  for (int i = 0; i < ID_BYTES; i++) {
    hex[2 * i] = "0123456789abcdef"[id[i] >> 4];
    hex[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
  }
  hex[2 * ID_BYTES] = '\0';
}

bool parse_id(const char *hex, uint8_t id[ID_BYTES])
{
  for (int i = 0; i < 2 * ID_BYTES; i++) {
    const char *digit = hex[i] == '\0' ? NULL : strchr("0123456789abcdef", hex[i]);
    if (digit == NULL) return false;
    unsigned value = (unsigned)(digit - "0123456789abcdef");
    id[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : id[i / 2] | value);
  }
  return true;
}

/*
 * Who may run what. The daemon's word is not enough: besides the owner, only users and groups that a root-owned
 * file names may be asked for. Everything is resolved at start, so that no request reads a file.
 */
#include "keeper.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY UINT32_MAX
#define MOST 1024
static struct policy {
  struct { uint32_t uid, gid; } users[MOST];
  uint32_t groups[MOST];
  unsigned user_count, group_count;
} policy, candidate;

/* Finds "name:x:number:second:..." by name or number. A number needs no entry; its second is then NOBODY. */
bool look_up(const char *file, const char *key, uint32_t *number, uint32_t *second)
{
  char *end, line[4096];
  unsigned long wanted = strtoul(key, &end, 10);
  bool numeric = *end == '\0' && end != key && wanted < NOBODY, found = false;
  FILE *stream = fopen(file, "re");
  while (stream != NULL && !found && fgets(line, sizeof line, stream) != NULL) {
    char name[256];
    unsigned first, next = NOBODY;
    if (sscanf(line, "%255[^:]:%*[^:]:%u:%u", name, &first, &next) < 2) continue;
    found = numeric ? first == wanted : strcmp(name, key) == 0;
    *number = first;
    *second = next;
  }
  if (stream != NULL) fclose(stream);
  if (!found && numeric) {
    *number = (uint32_t)wanted;
    *second = NOBODY;
  }
  return found || numeric;
}

static bool add(const char *path, int line, const char *kind, const char *name)
{
  uint32_t number, second;
  bool user = strcmp(kind, "user") == 0;
  if (!user && strcmp(kind, "group") != 0) {
    say("%s line %d: expected user or group, got %s", path, line, kind);
  } else if (!look_up(user ? "/etc/passwd" : "/etc/group", name, &number, &second)) {
    say("%s line %d: no such %s: %s", path, line, kind, name);
  } else if ((user ? candidate.user_count : candidate.group_count) == MOST) {
    say("%s line %d: more than %d entries", path, line, MOST);
  } else {
    if (user) {
      candidate.users[candidate.user_count].uid = number;
      candidate.users[candidate.user_count++].gid = second;
    } else {
      candidate.groups[candidate.group_count++] = number;
    }
    return true;
  }
  return false;
}

/* Whether the file is one to go by; nothing is changed yet. */
bool policy_check(const char *path)
{
  char line[512], kind[16], name[256], more[2];
  candidate = (struct policy){0};
  if (path == NULL) return true;
  FILE *stream = fopen(path, "re");
  struct stat stat;
  if (stream == NULL || fstat(fileno(stream), &stat) != 0) {
    say("policy %s: %s", path, strerror(errno));
    return false;
  }
  bool good = S_ISREG(stat.st_mode) && stat.st_uid == 0 && (stat.st_mode & 022) == 0;
  if (!good) say("policy %s: must be a file of root that nobody else can write", path);
  for (int number = 1; good && fgets(line, sizeof line, stream) != NULL; number++) {
    line[strcspn(line, "#\n")] = '\0';
    int words = sscanf(line, "%15s %255s %1s", kind, name, more);
    if (words == 2) good = add(path, number, kind, name);
    else if (words > 0) {
      say("policy %s line %d: expected two words", path, number);
      good = false;
    }
  }
  fclose(stream);
  return good;
}

/* Without a file to go by, nobody but the owner is allowed. */
bool policy_load(const char *path)
{
  char owner[16];
  uint32_t uid, gid = NOBODY;
  snprintf(owner, sizeof owner, "%u", (unsigned)K.owner);
  look_up("/etc/passwd", owner, &uid, &gid);
  K.owner_gid = K.owner == K.euid ? K.egid : (gid_t)gid;
  bool good = policy_check(path);
  policy = good ? candidate : (struct policy){0};
  K.h.features &= ~(uint32_t)FEATURE_RUN_AS;
  if (K.euid == 0 && policy.user_count > 0) K.h.features |= FEATURE_RUN_AS;
  return good;
}

/* The owner's and the listed users, and where to find the group of one. */
static bool may_use(uid_t uid, gid_t *own)
{
  *own = K.owner_gid;
  bool listed = uid == K.owner;
  for (unsigned i = 0; !listed && K.euid == 0 && i < policy.user_count; i++)
    if ((listed = policy.users[i].uid == uid)) *own = policy.users[i].gid;
  return listed;
}

/* Whether a worker, once started, may be found with this user. */
bool policy_allows(uid_t uid)
{
  gid_t own;
  return uid == K.euid || may_use(uid, &own);
}

static bool may_use_group(gid_t gid, gid_t own)
{
  for (unsigned i = 0; i < policy.group_count; i++)
    if (policy.groups[i] == gid) return true;
  return gid == own;
}

bool policy_resolve(const struct request *request, struct start *start)
{
  start->uid = has(request, TAG_UID) ? request->uid : K.owner;
  gid_t own;
  bool listed = may_use(start->uid, &own);
  start->gid = has(request, TAG_GID) ? request->gid : own;
  start->change_user = start->uid != K.euid || start->gid != K.egid;
  bool able = K.euid == 0 || !start->change_user;
  return listed && able && start->gid != NOBODY && may_use_group(start->gid, own);
}

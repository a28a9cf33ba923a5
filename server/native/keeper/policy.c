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
static struct { uint32_t uid, gid; } users[1024];
static uint32_t groups[1024];
static unsigned user_count, group_count;

/* Finds "name:x:number:second:..." by name or number. A number needs no entry; its second is then NOBODY. */
static bool look_up(const char *file, const char *key, uint32_t *number, uint32_t *second)
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
  } else if ((user ? user_count : group_count) == 1024) {
    say("%s line %d: more than 1024 entries", path, line);
  } else {
    if (user) {
      users[user_count].uid = number;
      users[user_count++].gid = second;
    } else {
      groups[group_count++] = number;
    }
    return true;
  }
  return false;
}

bool policy_load(const char *path)
{
  char owner[16], line[512], kind[16], name[256], more[2];
  uint32_t uid, gid = NOBODY;
  snprintf(owner, sizeof owner, "%u", (unsigned)K.owner);
  look_up("/etc/passwd", owner, &uid, &gid);
  K.owner_gid = K.owner == K.euid ? K.egid : (gid_t)gid;
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
  if (good && K.euid == 0 && user_count > 0) K.h.features |= FEATURE_RUN_AS;
  return good;
}

static bool may_use_group(gid_t gid, gid_t own)
{
  for (unsigned i = 0; i < group_count; i++)
    if (groups[i] == gid) return true;
  return gid == own;
}

bool policy_resolve(const struct request *request, struct start *start)
{
  start->uid = has(request, TAG_UID) ? request->uid : K.owner;
  gid_t own = K.owner_gid;
  bool listed = start->uid == K.owner;
  for (unsigned i = 0; !listed && K.euid == 0 && i < user_count; i++)
    if ((listed = users[i].uid == start->uid)) own = users[i].gid;
  start->gid = has(request, TAG_GID) ? request->gid : own;
  start->change_user = start->uid != K.euid || start->gid != K.egid;
  bool able = K.euid == 0 || !start->change_user;
  return listed && able && start->gid != NOBODY && may_use_group(start->gid, own);
}

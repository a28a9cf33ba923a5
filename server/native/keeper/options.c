/* The command line. */
#include "keeper.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define EXIT_USAGE 64

/* A keeper that was upgraded holds workers: it goes on without an option that only the other version knew. */
static void usage(const char *what, const char *value)
{
  say("%s%s%s; try --help", what, value == NULL ? "" : ": ", value == NULL ? "" : value);
  if (K.resumed < 0) exit(EXIT_USAGE);
}

static uint64_t number(const char *name, const char *text, uint64_t least, uint64_t most)
{
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < least || value > most) usage(name, text);
  return value < least ? least : value > most ? most : value;
}

/* A user or group, by name or number. */
static uint32_t account(const char *name, const char *file, const char *text)
{
  uint32_t id = 0, second;
  if (!look_up(file, text, &id, &second)) usage(name, text);
  return id;
}

static const char help[] =
    "Usage: forkbus-keeper --socket PATH --dir DIR [options]\n"
    "  --group GROUP           may use the socket and read the logs\n"
    "  --owner USER            may connect besides root (default: our own)\n"
    "  --cgroup auto|none|PATH where workers get cgroups of their own\n"
    "  --policy FILE           root's list of users that workers may run as\n"
    "  --reserve-bytes N       free space below which logs are cut (default 67108864)\n"
    "  --max-workers N         default 16384\n"
    "  --start-deadline-ms N   default 10000\n"
    "  --exit-when-idle S      exit after S seconds without daemon and workers\n"
    "  --version, --help\n";

void parse_options(int argc, char **argv)
{
  static const struct option options[] = {
      {"socket", 1, NULL, 's'}, {"dir", 1, NULL, 'd'}, {"group", 1, NULL, 'g'}, {"owner", 1, NULL, 'o'},
      {"cgroup", 1, NULL, 'c'}, {"policy", 1, NULL, 'p'}, {"reserve-bytes", 1, NULL, 'r'},
      {"max-workers", 1, NULL, 'm'}, {"start-deadline-ms", 1, NULL, 't'}, {"exit-when-idle", 1, NULL, 'i'},
      {"resume", 1, NULL, 'R'}, {"version", 0, NULL, 'v'}, {"help", 0, NULL, 'h'}, {0}};
  opterr = 0;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (option) {
    case 's': K.socket_path = optarg; break;
    case 'd': K.directory_path = optarg; break;
    case 'g': K.has_group = true; K.group = account("--group", "/etc/group", optarg); break;
    case 'o': K.owner = account("--owner", "/etc/passwd", optarg); break;
    case 'c': K.cgroup_mode = optarg; break;
    case 'p': K.policy_path = optarg; break;
    case 'r': K.reserve_bytes = number("--reserve-bytes", optarg, 0, INT64_MAX); break;
    case 'm': K.max_workers = (uint32_t)number("--max-workers", optarg, 1, 1 << 20); break;
    case 't': K.start_deadline_ms = number("--start-deadline-ms", optarg, 1, INT32_MAX); break;
    case 'i': K.idle_exit_ms = number("--exit-when-idle", optarg, 1, INT32_MAX) * MS_PER_S; break;
    case 'R': break;
    case 'v': printf("forkbus-keeper %s (protocol %d)\n", KEEPER_VERSION, PROTOCOL_VERSION); exit(0);
    case 'h': fputs(help, stdout); exit(0);
    default: usage("cannot use this option", argv[optind - 1]);
    }
  }
  struct sockaddr_un address;
  if (optind != argc) usage("unexpected argument", argv[optind]);
  if (K.socket_path == NULL || K.socket_path[0] != '/') usage("--socket needs an absolute path", K.socket_path);
  if (strlen(K.socket_path) >= sizeof address.sun_path) usage("--socket is too long for a socket", K.socket_path);
  if (K.directory_path == NULL || K.directory_path[0] != '/') usage("--dir needs an absolute path", K.directory_path);
  bool known = strcmp(K.cgroup_mode, "auto") == 0 || strcmp(K.cgroup_mode, "none") == 0;
  if (!known && K.cgroup_mode[0] != '/') usage("--cgroup needs auto, none or an absolute path", K.cgroup_mode);
}

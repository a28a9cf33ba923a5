import { Command, Option } from "commander";
import { guarded } from "../action.js";
import { type Invocation } from "../invocation.js";
import { collect } from "../parse/collect.js";
import { runServer } from "../server-process.js";
import { serverArguments, type ServeOptions } from "../server-arguments.js";

const help = `
Without options the daemon serves this user on this host. It starts the keeper, the
small program that is the parent of all workers, unless one is there already. The daemon may be stopped,
killed and started again at any moment: workers run on, and nothing of them is lost.

SIGTERM or ^C stop the daemon, not the workers. The exit code is the daemon's own: 0 after a clean stop,
64 for wrong options, 75 when it cannot start.

Examples:
  forkbus serve
  forkbus serve --state-dir /var/lib/forkbus --listen unix:/run/forkbus/forkbus.sock --log-format json
  forkbus serve --listen tcp://0.0.0.0:7070 --tls-cert cert.pem --tls-key key.pem --client-ca ca.pem`;

export function serveCommand(invocation: Invocation): Command {
  return new Command("serve")
    .description("Starts the daemon in this terminal.")
    .optionsGroup("Options:")
    .option(
      "--state-dir <dir>",
      "where records and output are kept; one daemon at a time may use it",
    )
    .option(
      "--listen <address>",
      "unix:/path or tcp://host:port (repeatable). Default: the Unix socket that clients of this user try",
      collect,
    )
    .option(
      "--cpus <list>",
      "CPUs that workers may be pinned to, such as 0,2-3. Default: all it may use",
    )
    .option("--reserved-cpus <list>", "CPUs that no worker gets")
    .option("--shared-cpus <n>", "how many CPUs are never exclusive. Default: 1")
    .option("--retained-processes <n>", "records of ended workers to keep. Default: 10000")
    .option("--retention-ms <ms>", "how long to keep them. Default: 86400000, a day")
    .optionsGroup("Access by TCP:")
    .option("--tls-cert <file>", "certificate to show to clients, PEM")
    .option("--tls-key <file>", "the key of that certificate, PEM")
    .option("--client-ca <file>", "demand certificates of clients, signed by one of these")
    .option("--insecure", "without TLS; only on loopback addresses")
    .optionsGroup("Log:")
    .addOption(
      new Option("--log-format <format>", "Default: human on a terminal, else json").choices([
        "human",
        "json",
      ]),
    )
    .addOption(
      new Option("--log-level <level>", "least level to log. Default: info").choices([
        "error",
        "warn",
        "info",
        "debug",
      ]),
    )
    .optionsGroup("Keeper:")
    .option("--keeper <path>", "the keeper's program. Default: the one that came with forkbus")
    .option("--keeper-policy <file>", "the keeper's own list of users for workers")
    .option("--keeper-socket <path>", "of a keeper that something else starts, as systemd does")
    .option("--cgroup <where>", "auto, none, or a delegated cgroup v2 directory. Default: auto")
    .optionsGroup("Bounds:")
    .option(
      "--start-deadline-ms <ms>",
      "the longest that the start of a worker may take. Default: 10000",
    )
    .option(
      "--log-reserve-bytes <n>",
      "disk space that output of workers leaves free. Default: 64 MiB",
    )
    .option("--stop-grace-ms <ms>", "how long calls may go on when the daemon stops. Default: 5000")
    .addHelpText("after", help)
    .action(async (options: ServeOptions, self: Command) => {
      await guarded(invocation, self, "plain", async () => runServer(serverArguments(options)));
    });
}

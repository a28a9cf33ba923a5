import { Command } from "commander";
import { type Invocation } from "./invocation.js";

/** A command that can be loaded when it is needed: the libraries behind it take most of the time of a short call. */
interface Entry {
  readonly name: string;
  readonly arguments: string;
  readonly summary: string;
  readonly group: string;
  readonly load: () => Promise<(invocation: Invocation) => Command>;
}

const workers = "Workers:";
const templates = "Templates:";
const queues = "Queues:";
const daemon = "The daemon:";

const entries: readonly Entry[] = [
  {
    name: "run",
    arguments: "[options] [--] [command...]",
    summary:
      "run a command, or a function, as a worker: its input, output, signals and exit code are yours",
    group: workers,
    load: async () => (await import("./commands/run.js")).runCommand,
  },
  {
    name: "ps",
    arguments: "[options]",
    summary: "list workers",
    group: workers,
    load: async () => (await import("./commands/ps.js")).psCommand,
  },
  {
    name: "inspect",
    arguments: "[options] <name...>",
    summary: "show all that is known of workers",
    group: workers,
    load: async () => (await import("./commands/inspect.js")).inspectCommand,
  },
  {
    name: "logs",
    arguments: "[options] <name>",
    summary: "show what a worker wrote",
    group: workers,
    load: async () => (await import("./commands/logs.js")).logsCommand,
  },
  {
    name: "wait",
    arguments: "[options] <name...>",
    summary: "wait until workers have ended",
    group: workers,
    load: async () => (await import("./commands/wait.js")).waitCommand,
  },
  {
    name: "signal",
    arguments: "[options] <signal> <name...>",
    summary: "send a signal",
    group: workers,
    load: async () => (await import("./commands/signal.js")).signalCommand,
  },
  {
    name: "stop",
    arguments: "[options] <name...>",
    summary: "end workers: a signal, a grace period, then the whole tree",
    group: workers,
    load: async () => (await import("./commands/stop.js")).stopCommand,
  },
  {
    name: "release",
    arguments: "[options] <name...>",
    summary: "tell workers that serve forks to go on with their own work",
    group: workers,
    load: async () => (await import("./commands/release.js")).releaseCommand,
  },
  {
    name: "rm",
    arguments: "[options] <name...>",
    summary: "remove the records and output of workers",
    group: workers,
    load: async () => (await import("./commands/rm.js")).rmCommand,
  },
  {
    name: "template",
    arguments: "[options] COMMAND ...",
    summary: "make templates, from which workers are forked with everything loaded",
    group: templates,
    load: async () => (await import("./commands/template.js")).templateCommand,
  },
  {
    name: "queue",
    arguments: "[options] COMMAND ...",
    summary: "make queues, put items into them and get them out",
    group: queues,
    load: async () => (await import("./commands/queue.js")).queueCommand,
  },
  {
    name: "cpus",
    arguments: "[options]",
    summary: "draw the CPUs and who sits where, and say why a request does not fit",
    group: workers,
    load: async () => (await import("./commands/cpus.js")).cpusCommand,
  },
  {
    name: "serve",
    arguments: "[options]",
    summary: "start the daemon in this terminal",
    group: daemon,
    load: async () => (await import("./commands/serve.js")).serveCommand,
  },
  {
    name: "status",
    arguments: "[options]",
    summary: "show how the daemon is",
    group: daemon,
    load: async () => (await import("./commands/status.js")).statusCommand,
  },
  {
    name: "doctor",
    arguments: "[options]",
    summary: "check this host and the daemon, and say how to mend what is missing",
    group: daemon,
    load: async () => (await import("./commands/doctor.js")).doctorCommand,
  },
  {
    name: "build-native",
    arguments: "[options]",
    summary:
      "build keeper and addon from their C sources, for a host that the package brings none for",
    group: daemon,
    load: async () => (await import("./commands/build-native.js")).buildNativeCommand,
  },
];

export const commandNames: readonly string[] = entries.map((entry) => entry.name);

/**
 * All commands, those whose names appear in `argv` whole and the others with just enough to be listed and suggested. A
 * command that is called is always named in `argv`, so it is always whole.
 */
export async function loadCommands(
  argv: readonly string[],
  invocation: Invocation,
): Promise<readonly Command[]> {
  return Promise.all(
    entries.map(async (entry) => {
      const command = argv.includes(entry.name)
        ? (await entry.load())(invocation)
        : new Command(entry.name);
      return command.summary(entry.summary).usage(entry.arguments).helpGroup(entry.group);
    }),
  );
}

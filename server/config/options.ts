import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type CpuSet, parseCpuSet } from "../cpus/cpu-set.js";
import { type Config, type ListenAddress, type TlsFiles } from "./config.js";
import { defaultSocketPath, defaultStateDir } from "./default-paths.js";

type Environment = Readonly<Record<string, string | undefined>>;

interface Flags {
  readonly stateDir?: string;
  readonly listen: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly clientCa?: string;
  readonly insecure?: true;
  readonly logFormat: "human" | "json";
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly retentionMs: number;
  readonly retainedProcesses: number;
  readonly cpus?: CpuSet;
  readonly reservedCpus?: CpuSet;
  readonly sharedCpus: number;
  readonly keeper?: string;
  readonly python?: string;
  readonly node?: string;
  readonly keeperPolicy?: string;
  readonly keeperSocket?: string;
  readonly cgroup: string;
  readonly startDeadlineMs: number;
  readonly logReserveBytes: number;
  readonly stopGraceMs: number;
}

/** EX_USAGE of sysexits.h: units do not start again what ends with it. */
export const BAD_USAGE = 64;

/** Options that contradict each other or cannot be right; the message is for the operator. */
export class ConfigError extends Error {}

/** Reads the command line of the server. Exits by itself for `--help`, `--version` and bad options. */
export function readOptions(
  argv: readonly string[],
  env: Environment,
  uid: number,
  version: string,
): Config {
  const program = serverCommand(env, uid, version);
  program.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : BAD_USAGE));
  program.parse([...argv]);
  return toConfig(program.opts<Flags>(), defaultSocketPath(env, uid));
}

function serverCommand(env: Environment, uid: number, version: string): Command {
  const socket = `unix:${defaultSocketPath(env, uid)}`;
  return new Command("forkbus serve")
    .description("Run the daemon in the foreground.")
    .version(version)
    .allowExcessArguments(false)
    .option("--state-dir <dir>", "what outlives the daemon", path, defaultStateDir(env, uid))
    .option(
      "--listen <address>",
      `unix:/path or tcp://host:port; may be repeated (default: ${socket})`,
      collect,
      [],
    )
    .option("--tls-cert <file>", "certificate for tcp:// addresses (PEM)", path)
    .option("--tls-key <file>", "its key (PEM)", path)
    .option("--client-ca <file>", "clients must show a certificate that this CA signed (PEM)", path)
    .option("--insecure", "tcp:// without TLS, on loopback addresses only")
    .addOption(
      new Option("--log-format <format>", "how log lines look")
        .choices(["human", "json"])
        .default(process.stderr.isTTY ? "human" : "json", "human on a terminal, else json"),
    )
    .addOption(
      new Option("--log-level <level>", "least level of what is logged")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .option("--retention-ms <n>", "how long ended processes are remembered", number(0), 86_400_000)
    .option(
      "--retained-processes <n>",
      "how many ended processes are remembered",
      number(0),
      10_000,
    )
    .option(
      "--cpus <list>",
      "CPUs that workers may use, such as 0,2-3 (default: all of ours)",
      cpus,
    )
    .option("--reserved-cpus <list>", "CPUs that no worker gets", cpus)
    .option("--shared-cpus <n>", "how many CPUs are never exclusive", number(1), 1)
    .option("--keeper <file>", "the keeper's program (default: the one in the package)", path)
    .option("--python <file>", "interpreter of Python's templates (default: python3 in PATH)")
    .option("--node <file>", "interpreter of Node's templates (default: the one of the daemon)")
    .option("--keeper-policy <file>", "the keeper's own list of users for workers", path)
    .addOption(
      new Option("--keeper-socket <path>", "of a keeper that is started by somebody else")
        .argParser(path)
        .conflicts(["keeperPolicy", "cgroup", "startDeadlineMs"]),
    )
    .option("--cgroup <where>", "auto, none, or a delegated cgroup v2 directory", "auto")
    .option(
      "--start-deadline-ms <n>",
      "the longest that the start of a worker may take",
      number(1),
      10_000,
    )
    .option(
      "--log-reserve-bytes <n>",
      "disk space that output of workers leaves free",
      number(0),
      67_108_864,
    )
    .option(
      "--stop-grace-ms <n>",
      "how long calls may go on when the daemon stops",
      number(0),
      5000,
    );
}

function toConfig(flags: Flags, socketPath: string): Config {
  const files = tlsFiles(flags);
  const addresses = flags.listen.map((text) => listenAddress(text, files, flags.insecure === true));
  if (files !== null && addresses.every(({ kind }) => kind === "unix")) {
    throw new ConfigError("--tls-cert needs an address to serve: add --listen tcp://host:port");
  }
  if (flags.stateDir === undefined) {
    throw new ConfigError("There is no $HOME to keep the state in: give --state-dir");
  }
  return {
    stateDir: flags.stateDir,
    listen: addresses.length > 0 ? addresses : [{ kind: "unix", path: socketPath }],
    log: { format: flags.logFormat, level: flags.logLevel },
    retention: { maxRecords: flags.retainedProcesses, maxAgeMs: flags.retentionMs },
    cpus: flags.cpus ?? null,
    interpreters: { python: flags.python ?? "python3", node: flags.node ?? process.execPath },
    reservedCpus: flags.reservedCpus ?? [],
    sharedCpus: flags.sharedCpus,
    keeper: {
      socketPath: flags.keeperSocket ?? null,
      path: flags.keeper ?? null,
      policyPath: flags.keeperPolicy ?? null,
      cgroup: flags.cgroup,
      startDeadlineMs: flags.startDeadlineMs,
      reserveBytes: flags.logReserveBytes,
    },
    stopGraceMs: flags.stopGraceMs,
  };
}

function tlsFiles({ tlsCert, tlsKey, clientCa }: Flags): TlsFiles | null {
  if (tlsCert === undefined && tlsKey === undefined && clientCa === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new ConfigError("TLS needs both --tls-cert and --tls-key");
  }
  return { cert: tlsCert, key: tlsKey, clientCa: clientCa ?? null };
}

function listenAddress(text: string, files: TlsFiles | null, insecure: boolean): ListenAddress {
  const unix = /^(?:unix:(?:\/\/)?)?(\/.+)$/.exec(text)?.[1];
  if (unix !== undefined) return { kind: "unix", path: resolve(unix) };
  const tcp = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]\s]+):(\d{1,5})$/.exec(text);
  if (tcp?.[1] === undefined || Number(tcp[2]) > 65_535) {
    throw new ConfigError(
      `An address is unix:/path or tcp://host:port, got ${JSON.stringify(text)}`,
    );
  }
  const address = { host: tcp[1].replace(/^\[|\]$/g, ""), port: Number(tcp[2]) };
  if (files !== null) return { kind: "tls", ...address, files };
  if (insecure) return { kind: "insecure", ...address };
  throw new ConfigError(
    `${text} would be open to anyone who can reach it: give --tls-cert and --tls-key, or --insecure on a loopback address`,
  );
}

function path(text: string): string {
  return resolve(text);
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function cpus(text: string): CpuSet {
  const set = parseCpuSet(text);
  if (set === undefined) throw new InvalidArgumentError("CPUs are a list such as 0,2-3.");
  return set;
}

function number(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= min) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min}.`);
  };
}

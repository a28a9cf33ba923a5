import { type CpuSet } from "../cpus/cpu-set.js";
import { type LogLevel } from "../observability/winston-logger.js";

/** Everything that an operator decides, validated. */
export interface Config {
  /** Holds all that outlives the daemon. */
  readonly stateDir: string;
  readonly listen: readonly ListenAddress[];
  readonly log: { readonly format: "human" | "json"; readonly level: LogLevel };
  readonly retention: { readonly maxRecords: number; readonly maxAgeMs: number };
  /** CPUs that workers may be placed on; null: all that the kernel lets us use. */
  readonly cpus: CpuSet | null;
  /** CPUs that are never given to workers. */
  readonly reservedCpus: CpuSet;
  /** So many CPUs are never exclusive. */
  readonly sharedCpus: number;
  readonly keeper: KeeperConfig;
  /** Of the built-in templates, and of every template that names none: absolute, or a name to look up in PATH. */
  readonly interpreters: { readonly python: string; readonly node: string };
  /** How long calls under way may take when the daemon stops. */
  readonly stopGraceMs: number;
}

export interface KeeperConfig {
  /** Of a keeper that somebody else starts; null: the daemon starts its own. */
  readonly socketPath: string | null;
  /** Null: the one in the package. */
  readonly path: string | null;
  /** The keeper's own list of users that workers may run as. */
  readonly policyPath: string | null;
  /** `auto`, `none` or an absolute path. */
  readonly cgroup: string;
  readonly startDeadlineMs: number;
  /** Space on the file system that output leaves free. */
  readonly reserveBytes: number;
}

export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "insecure"; readonly host: string; readonly port: number }
  | {
      readonly kind: "tls";
      readonly host: string;
      readonly port: number;
      readonly files: TlsFiles;
    };

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Null: clients need no certificate. */
  readonly clientCa: string | null;
}

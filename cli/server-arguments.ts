/** Options of `serve`, as they are passed on to the server's program. */
export interface ServeOptions {
  readonly stateDir?: string;
  readonly listen?: readonly string[];
  readonly cpus?: string;
  readonly reservedCpus?: string;
  readonly sharedCpus?: string;
  readonly retainedProcesses?: string;
  readonly retentionMs?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly clientCa?: string;
  readonly insecure?: boolean;
  readonly logFormat?: string;
  readonly logLevel?: string;
  readonly keeper?: string;
  readonly keeperPolicy?: string;
  readonly keeperSocket?: string;
  readonly cgroup?: string;
  readonly startDeadlineMs?: string;
  readonly logReserveBytes?: string;
  readonly stopGraceMs?: string;
}

/** The arguments of the server's program. It checks their values: it knows what it can do. */
export function serverArguments(options: ServeOptions): readonly string[] {
  const single: readonly (readonly [string, string | undefined])[] = [
    ["--state-dir", options.stateDir],
    ["--cpus", options.cpus],
    ["--reserved-cpus", options.reservedCpus],
    ["--shared-cpus", options.sharedCpus],
    ["--retained-processes", options.retainedProcesses],
    ["--retention-ms", options.retentionMs],
    ["--tls-cert", options.tlsCert],
    ["--tls-key", options.tlsKey],
    ["--client-ca", options.clientCa],
    ["--log-format", options.logFormat],
    ["--log-level", options.logLevel],
    ["--keeper", options.keeper],
    ["--keeper-policy", options.keeperPolicy],
    ["--keeper-socket", options.keeperSocket],
    ["--cgroup", options.cgroup],
    ["--start-deadline-ms", options.startDeadlineMs],
    ["--log-reserve-bytes", options.logReserveBytes],
    ["--stop-grace-ms", options.stopGraceMs],
  ];
  return [
    ...(options.listen ?? []).flatMap((address) => ["--listen", address]),
    ...single.flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
    ...(options.insecure === true ? ["--insecure"] : []),
  ];
}

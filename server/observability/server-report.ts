/** What the server says of itself: the part of it that services see. */
export interface ServerReport {
  facts(): ServerFacts;
  status(): ServerStatus;
  /** Looks at the host; changes nothing. */
  diagnose(): Promise<readonly Check[]>;
}

/** What does not change while the daemon runs, but for the keeper and the revision. */
export interface ServerFacts {
  readonly version: string;
  readonly capabilities: readonly string[];
  readonly limits: ServerLimits;
  readonly storeId: string;
  readonly revision: number;
  readonly hostName: string;
  readonly bootId: string;
  /** Wall clock. */
  readonly startTimeMs: number;
  readonly keeperVersion: string;
}

export interface ServerLimits {
  readonly frameBytes: number;
  readonly itemBytes: number;
  readonly pageSize: number;
  readonly queueBytes: number;
  readonly processes: number;
  readonly requestBytes: number;
  readonly retainedProcesses: number;
  readonly retentionMs: number;
}

export interface ServerStatus {
  readonly state: "serving" | "draining" | "degraded";
  readonly summary: string;
  /** By state, in capitals. */
  readonly processes: ReadonlyMap<string, number>;
  readonly queues: number;
  readonly queueItems: number;
  readonly queueBytes: number;
  readonly connections: number;
  readonly rssBytes: number;
  readonly uptimeMs: number;
  readonly keeperConnected: boolean;
  readonly warnings: readonly string[];
  readonly pid: number;
  readonly keeperPid: number;
}

/** One thing that was looked at, for people. */
export interface Check {
  readonly name: string;
  readonly outcome: "ok" | "warning" | "failed";
  /** What was found. */
  readonly message: string;
  /** What does not work for it; empty when all is well. */
  readonly consequence: string;
  /** How to mend it. */
  readonly remedy: string;
}

import { type CpuSet } from "./cpu-set.js";

/** What a process asks for. */
export type CpuRequest =
  | { readonly kind: "shared"; readonly count: number }
  | ExclusiveRequest
  | { readonly kind: "explicit"; readonly cpus: CpuSet }
  | { readonly kind: "none" };

export interface ExclusiveRequest {
  readonly kind: "exclusive";
  readonly count: number;
  readonly layout: CpuLayout;
  /** How long its create waits for CPUs; 0: it fails when there are none. */
  readonly maxWaitMs: number;
}

export function mayWait(request: CpuRequest): request is ExclusiveRequest {
  return request.kind === "exclusive" && request.maxWaitMs > 0;
}

export const CPU_LAYOUTS = ["compact", "spread", "full-core"] as const;

/** How several CPUs of one process lie. */
export type CpuLayout = (typeof CPU_LAYOUTS)[number];

import { type CpuSet } from "../cpus/cpu-set.js";
import { type ProcessUid } from "../core/ids.js";
import { type Recipe } from "./fork-servers.js";
import { type Rlimit } from "./process-spec.js";
import { rlimitNumber } from "./rlimits.js";
import { type FunctionTarget } from "./target.js";

/** A function to call and how its arguments and its result are encoded. */
export interface Call {
  readonly function: string;
  readonly encoding: string;
  readonly resultEncoding: string;
}

/** What a worker or a zygote is told to become: docs/FORK-SERVERS.md, "The specification". */
interface LanguageProcess {
  readonly id: ProcessUid;
  readonly name: string;
  readonly title: string;
  readonly env: Readonly<Record<string, string>> | null;
  readonly inherit: boolean;
  readonly workingDir: string | null;
  readonly umask: number | null;
  readonly cpus: CpuSet | null;
  readonly rlimits: readonly NumberedRlimit[];
  readonly searchPath: readonly string[];
  readonly preload: readonly string[];
  /** Python: the library that forks so that the child is the keeper's; null where there is none. */
  readonly forkLibrary: string | null;
}

export interface WorkerSpecification extends LanguageProcess {
  readonly kind: "worker";
  readonly mainPath: string | null;
  /** With its arguments in base64: those of the specification are the target's. */
  readonly init: (Call & { readonly data: string }) | null;
  readonly target: Call;
}

/** Of a worker that is spawned before it is known what for: it loads this, and waits for a worker's specification. */
export interface PrestartedSpecification extends LanguageProcess {
  readonly kind: "prestarted";
  readonly init: WorkerSpecification["init"];
}

export interface ZygoteSpecification extends LanguageProcess {
  readonly kind: "zygote";
  readonly init: Call | null;
  readonly keepFds: readonly string[];
}

/** The kernel's number, soft and hard; null: unlimited. */
type NumberedRlimit = readonly [number, string | null, string | null];

/** The text with its length in front, then the arguments: one allocation, one copy. */
export function encodeSpecification(
  specification: WorkerSpecification | ZygoteSpecification | PrestartedSpecification,
  args: Uint8Array,
): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(specification));
  const bytes = new Uint8Array(4 + text.length + args.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  bytes.set(args, 4 + text.length);
  return bytes;
}

/** A worker that loads everything itself is told the arguments of `init` apart from its own. */
export function initOf({ init }: Pick<Recipe, "init">): WorkerSpecification["init"] {
  return init === null ? null : { ...callOf(init), data: base64(init.data) };
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

export function callOf(
  target: Pick<FunctionTarget, "function" | "arguments" | "resultEncoding">,
): Call {
  return {
    function: target.function,
    encoding: target.arguments.encoding,
    resultEncoding: target.resultEncoding,
  };
}

export function numberedRlimits(rlimits: readonly Rlimit[]): readonly NumberedRlimit[] {
  return rlimits.map(({ resource, soft, hard }) => [
    rlimitNumber(resource) ?? 0,
    soft === null ? null : String(soft),
    hard === null ? null : String(hard),
  ]);
}

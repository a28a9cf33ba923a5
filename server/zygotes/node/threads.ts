import { readdirSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { zygoteAddon } from "./zygote-addon.js";

const TASKS = "/proc/self/task";
/** As libuv has it. */
const [DEFAULT_POOL, MOST_POOL] = [4, 1024];

/** Threads by their ids. */
export type Threads = ReadonlySet<string>;

/**
 * The threads of this process, with Node's pool for files and names among them: it is made at its first use, whole.
 */
export async function threadsWithPool(): Promise<Threads> {
  await stat("/");
  return new Set(readdirSync(TASKS));
}

/**
 * The threads that Node itself has: those at the start of a program that was executed. In a forked process, whose
 * threads have come one after the other, they are told by number: the main one, those of the addon, and the pool.
 */
export type OwnThreads =
  { readonly kind: "executed"; readonly threads: Threads } | { readonly kind: "forked" };

/** The threads that are not Node's; of a forked process, whose own cannot be told from others, all. */
export function foreignThreads(own: OwnThreads): readonly string[] {
  const now = currentThreads();
  if (own.kind === "executed") return without(now, own.threads);
  const most = 1 + zygoteAddon().platformThreads() + poolSize();
  return now.size > most ? without(now, new Set([String(process.pid)])) : [];
}

export function currentThreads(): Threads {
  return new Set(readdirSync(TASKS));
}

/** The names of those that are not known. */
export function namesOf(threads: Threads, known: Threads): readonly string[] {
  return without(threads, known).map(nameOf);
}

/** As the kernel has it; a thread that has only inherited the name of the main one has its number. */
export function nameOf(thread: string): string {
  const name = commandOf(thread);
  if (name === undefined) return `thread ${thread}, which has ended`;
  return name === commandOf(String(process.pid)) ? `thread ${thread}` : name;
}

function without(threads: Threads, known: Threads): readonly string[] {
  return [...threads].filter((id) => !known.has(id));
}

function commandOf(thread: string): string | undefined {
  try {
    return readFileSync(`${TASKS}/${thread}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}

function poolSize(): number {
  const asked = Number.parseInt(process.env["UV_THREADPOOL_SIZE"] ?? "", 10);
  if (Number.isNaN(asked)) return DEFAULT_POOL;
  return Math.min(Math.max(asked, 1), MOST_POOL);
}

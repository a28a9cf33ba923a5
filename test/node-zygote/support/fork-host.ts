import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { eventually } from "../../support/eventually.js";
import { nodeUnderTest } from "../../support/node-zygote-suite.js";

export const fixtures = join(packageRoot, "dist/test/node-zygote/fixtures");
export const main = join(packageRoot, "dist/server/zygotes/node/main.js");

const event = z.looseObject({
  event: z.string(),
  id: z.string(),
  type: z.string().optional(),
  content: z.string().optional(),
});
export type HostEvent = z.infer<typeof event>;

/** A specification as far as a test cares. */
export interface Wanted {
  readonly preload?: readonly string[];
  readonly init?: object;
  readonly keepFds?: readonly string[];
  readonly searchPath?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly workingDir?: string;
  readonly umask?: number;
  readonly cpus?: readonly number[];
  readonly rlimits?: readonly unknown[];
  /** Bytes that are the arguments, or a value in JSON. */
  readonly given?: unknown;
  readonly encoding?: string;
  readonly resultEncoding?: string;
  /** Of the program itself. */
  readonly flags?: readonly string[];
  /** Waits for `go` after its birth. */
  readonly hold?: boolean;
  /** The directory of the cgroup in which a fork is to be born. */
  readonly leaf?: string;
}

const resultLine = z.looseObject({ kind: z.string(), bytes: z.number() });

/** A process that was started or forked, or was to be. */
export class Hosted {
  readonly id = randomBytes(16).toString("hex");
  readonly events: HostEvent[] = [];
  readonly #directory: string;

  constructor(place: string) {
    this.#directory = join(place, this.id);
  }

  /** Waits for an event, or a message of the link by its letter. */
  async saw(name: string): Promise<HostEvent> {
    const look = (): HostEvent | undefined =>
      this.events.find((each) => each.event === name || each.type === name);
    const found = await eventually(look, (seen) => seen !== undefined || this.#isOver(name), {
      withinMs: 60_000,
      what: `${name} of a process`,
    });
    if (found === undefined) throw new Error(`It ended without ${name}: ${this.stderr()}`);
    return found;
  }

  #isOver(name: string): boolean {
    return name !== "ended" && this.events.some((each) => each.event === "ended");
  }

  /** The exit code, or a signal's number with a minus. */
  async code(): Promise<number> {
    return Number((await this.saw("ended"))["code"]);
  }

  async pid(): Promise<number> {
    return Number(
      (await eventually(() => this.events.find((each) => "pid" in each), Boolean))?.["pid"],
    );
  }

  read(name: "stdout" | "stderr" | "result"): Buffer {
    const path = join(this.#directory, name);
    return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  }

  stdout(): string {
    return this.read("stdout").toString();
  }

  stderr(): string {
    return this.read("stderr").toString();
  }

  /** The line of the result file, with the bytes as `data`; undefined when there is no finished one. */
  result(): (z.infer<typeof resultLine> & { data: Buffer }) | undefined {
    const content = this.read("result");
    const end = content.indexOf("\n");
    if (end < 0) return undefined;
    const line = resultLine.parse(JSON.parse(content.toString("utf8", 0, end)));
    const data = content.subarray(end + 1);
    return data.length === line.bytes ? { ...line, data } : undefined;
  }

  /** What its target returned, once it has ended well. */
  async value(): Promise<unknown> {
    const code = await this.code();
    const result = this.result();
    if (code !== 0 || result?.kind !== "value") {
      throw new Error(`Ended with ${code}: ${JSON.stringify(result)} ${this.stderr()}`);
    }
    return JSON.parse(result.data.toString());
  }
}

/** A keeper in a directory of its own, which can make fork servers and fork from them. */
export class ForkHost implements AsyncDisposable {
  readonly place = mkdtempSync(join(tmpdir(), "forkbus-zygote-"));
  readonly #keeper: ChildProcess;
  readonly #hosted = new Map<string, Hosted>();

  constructor() {
    const program = join(packageRoot, "test/node-zygote/support/fake_keeper.py");
    this.#keeper = spawn("python3", [program, this.place], { stdio: ["pipe", "pipe", "inherit"] });
    const { stdout } = this.#keeper;
    if (stdout === null) throw new Error("A keeper without stdout");
    createInterface(stdout).on("line", (line) => {
      const told = event.parse(JSON.parse(line));
      this.#hosted.get(told.id)?.events.push(told);
    });
  }

  /** A file for preloads and targets; its path. */
  module(name: string, source: string): string {
    const path = join(this.place, name);
    writeFileSync(path, source);
    return path;
  }

  /** A zygote that is started; whether it ever serves is to be seen. */
  template(wanted: Wanted = {}): Hosted {
    return this.#spawn({ kind: "zygote", keepFds: wanted.keepFds ?? [] }, wanted);
  }

  /** A zygote that serves. */
  async zygote(wanted: Wanted = {}): Promise<Hosted> {
    const zygote = this.template(wanted);
    await zygote.saw("R");
    return zygote;
  }

  /** A worker that is executed, not forked. */
  worker(target: string, wanted: Wanted = {}): Hosted {
    return this.#spawn(worker(target, wanted), wanted);
  }

  fork(server: Hosted, target: string, wanted: Wanted = {}): Hosted {
    return this.#fork(server, worker(target, wanted), wanted);
  }

  /** A template whose zygote is forked from its parent's. */
  forkTemplate(server: Hosted, wanted: Wanted = {}): Hosted {
    return this.#fork(server, { kind: "zygote", keepFds: wanted.keepFds ?? [] }, wanted);
  }

  go(held: Hosted, target: string, wanted: Wanted = {}): void {
    this.#order("go", held, wanted, specification(held, worker(target, wanted), wanted));
  }

  release(server: Hosted): void {
    this.#send({ do: "release", id: server.id });
  }

  hangUp(process: Hosted): void {
    this.#send({ do: "hang_up", id: process.id });
  }

  kill(process: Hosted, signal: number): void {
    this.#send({ do: "kill", id: process.id, signal });
  }

  #spawn(kind: object, wanted: Wanted): Hosted {
    const hosted = this.#add();
    const argv = [nodeUnderTest, "--v8-pool-size=2", ...(wanted.flags ?? []), main];
    const order = { argv, env: wanted.env ?? process.env };
    // The environment is that of the program.
    const spec = specification(hosted, kind, { ...wanted, env: undefined });
    this.#order("spawn", hosted, wanted, spec, order);
    return hosted;
  }

  #fork(server: Hosted, kind: object, wanted: Wanted): Hosted {
    const hosted = this.#add();
    const order = { server: server.id, hold: wanted.hold ?? false, leaf: wanted.leaf };
    const spec = specification(hosted, kind, { env: process.env, ...wanted });
    this.#order("fork", hosted, wanted, spec, order);
    return hosted;
  }

  #add(): Hosted {
    const hosted = new Hosted(this.place);
    this.#hosted.set(hosted.id, hosted);
    return hosted;
  }

  #order(verb: string, { id }: Hosted, { given }: Wanted, spec: object, more: object = {}): void {
    const base64 = Buffer.from(bytesOf(given)).toString("base64");
    this.#send({ do: verb, id, specification: spec, arguments: base64, ...more });
  }

  #send(order: object): void {
    this.#keeper.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#keeper.stdin?.end();
    await eventually(
      () => this.#keeper.exitCode,
      (code) => code !== null,
    );
    rmSync(this.place, { recursive: true, force: true });
  }
}

function bytesOf(given: unknown): Uint8Array {
  if (given === undefined) return Buffer.alloc(0);
  return given instanceof Uint8Array ? given : Buffer.from(JSON.stringify(given));
}

function worker(target: string, { encoding, resultEncoding }: Wanted): object {
  const call = { encoding: encoding ?? "json", resultEncoding: resultEncoding ?? "json" };
  return { kind: "worker", target: { function: target, ...call } };
}

function specification({ id }: Hosted, kind: object, wanted: Wanted): object {
  const { env } = wanted;
  return {
    id,
    name: "test",
    title: "forkbus: test",
    env: env === undefined ? null : { ...env, FORKBUS_PROCESS_ID: id },
    workingDir: wanted.workingDir ?? null,
    umask: wanted.umask ?? null,
    cpus: wanted.cpus ?? null,
    rlimits: wanted.rlimits ?? [],
    searchPath: wanted.searchPath ?? [fixtures],
    preload: wanted.preload ?? [],
    init: wanted.init ?? null,
    ...kind,
  };
}

import assert from "node:assert/strict";
import { type DescMethod } from "@bufbuild/protobuf";
import { CreateProcessResponse } from "../../../proto/gen/forkbus/v1/process.js";
import { CreateQueueResponse } from "../../../proto/gen/forkbus/v1/queue.js";
import { CreateTemplateResponse } from "../../../proto/gen/forkbus/v1/template.js";
import { Runtime } from "../../../proto/gen/forkbus/v1/types.js";
import { inFlight } from "../../integration/daemon/support/in-flight.js";
import { commandLine } from "../../integration/daemon/support/proc-fs.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";
import { type Known, type Resource } from "./plausible-values.js";
import { type Outcome } from "./raw-call.js";

const COPIES = [0, 1];
/** Templates that are there without being made, and cannot be deleted. */
const BUILT_IN = ["node", "python"];

/** The processes, queues and templates that requests are about. Mutants end, fill and delete them, so they are made again. */
export class Population implements Known {
  processes: readonly Resource[] = [];
  queues: readonly Resource[] = [];
  templates: readonly Resource[] = [];
  subscriptions: readonly string[] = [];
  readonly #daemon: DaemonHarness;
  readonly #created = new Set<string>();
  #named = 0;
  #subscribed = new AbortController();

  constructor(daemon: DaemonHarness) {
    this.#daemon = daemon;
  }

  freshName(): string {
    return `fuzz/new-${this.#named++}`;
  }

  /** Learns what a mutant has made, which somebody thus has asked for. */
  learn({ name }: DescMethod, { responses }: Outcome): void {
    for (const bytes of responses) {
      if (name === "CreateProcess") {
        this.#created.add(`process ${CreateProcessResponse.decode(bytes).process?.name ?? ""}`);
      }
      if (name === "CreateQueue") {
        this.#created.add(`queue ${CreateQueueResponse.decode(bytes).queue?.name ?? ""}`);
      }
      if (name === "CreateTemplate") {
        this.#created.add(`template ${CreateTemplateResponse.decode(bytes).template?.name ?? ""}`);
      }
    }
  }

  /** Removes what there is and makes everything anew. */
  async renew(): Promise<void> {
    await this.clear();
    const started = COPIES.flatMap((copy) => [
      this.#start(`fuzz/reader-${copy}`, ["cat"], { openStdin: true }),
      this.#start(`fuzz/sleeper-${copy}`, ["sleep", "600"]),
      this.#start(`fuzz/ended-${copy}`, ["sh", "-c", "echo out; echo err >&2"]),
    ]);
    const made = COPIES.flatMap((copy) => [
      this.#make(`fuzz/full-${copy}`, { maxItems: 1n }),
      this.#make(`fuzz/some-${copy}`, { maxItems: 1000n, maxBytes: 4_000_000n }),
      this.#make(`fuzz/empty-${copy}`, { maxBytes: 4_000_000n }),
    ]);
    const loading = COPIES.map((copy) => this.#load(`fuzz/template-${copy}`));
    [this.processes, this.queues, this.templates] = await Promise.all([
      Promise.all(started),
      Promise.all(made),
      Promise.all(loading),
    ]);
    this.subscriptions = await Promise.all(
      COPIES.map((copy) => this.#subscribe(`fuzz/some-${copy}`)),
    );
  }

  /** Removes what there is. Fails when there is something that nobody has asked for. */
  async clear(): Promise<void> {
    this.#subscribed.abort();
    this.#subscribed = new AbortController();
    const { processes, queues, templates } = this.#daemon;
    for (const { name } of this.processes) this.#created.add(`process ${name}`);
    for (const { name } of this.queues) this.#created.add(`queue ${name}`);
    for (const { name } of this.templates) this.#created.add(`template ${name}`);
    const processNames = await everyName(async (pageToken) => {
      const page = await processes.listProcesses({ pageSize: 1000, pageToken });
      return { names: page.processes.map(({ name }) => name), next: page.nextPageToken };
    });
    const queueNames = await everyName(async (pageToken) => {
      const page = await queues.listQueues({ pageSize: 1000, pageToken });
      return { names: page.queues.map(({ name }) => name), next: page.nextPageToken };
    });
    const parents = new Map<string, string>();
    const templateNames = await everyName(async (pageToken) => {
      const page = await templates.listTemplates({ pageSize: 1000, pageToken });
      for (const { name, spec } of page.templates) parents.set(name, spec?.parent ?? "");
      return { names: page.templates.map(({ name }) => name), next: page.nextPageToken };
    });
    const own = templateNames.filter((name) => !BUILT_IN.includes(name));
    const there = [
      ...processNames.map((name) => `process ${name}`),
      ...queueNames.map((name) => `queue ${name}`),
      ...own.map((name) => `template ${name}`),
    ];
    const unasked = there.filter((each) => !this.#created.has(each));
    await inFlight(16, processNames, (name) => processes.deleteProcess({ name, force: true }));
    await inFlight(16, queueNames, (name) => queues.deleteQueue({ name }));
    for (const generation of youngestFirst(own, parents)) {
      await inFlight(16, generation, (name) => templates.deleteTemplate({ name }));
    }
    this.#created.clear();
    [this.processes, this.queues, this.templates, this.subscriptions] = [[], [], [], []];
    assert.deepEqual(unasked, [], "nobody asked for these");
  }

  /** Their zygotes stay, and have a spare worker each for a minute after their last use. */
  isOfBuiltIn(pid: number): boolean {
    return BUILT_IN.some((name) => commandLine(pid) === `forkbus template: ${name}`);
  }

  async #start(
    name: string,
    argv: readonly string[],
    spec: { readonly openStdin?: boolean } = {},
  ): Promise<Resource> {
    return this.#daemon.create(argv, { ...spec, stop: { graceMs: 0 } }, { name });
  }

  async #make(
    name: string,
    spec: { readonly maxItems?: bigint; readonly maxBytes?: bigint },
  ): Promise<Resource> {
    const { queues } = this.#daemon;
    const { queue } = await queues.createQueue({ queue: { name, spec } });
    assert.ok(queue);
    const items = [Buffer.from("item")];
    if (!name.includes("empty")) await queues.put({ queue: name, frame: { items } });
    return queue;
  }

  async #load(name: string): Promise<Resource> {
    const spec = { runtime: Runtime.PYTHON };
    const { template } = await this.#daemon.templates.createTemplate({ template: { name, spec } });
    assert.ok(template);
    return template;
  }

  async #subscribe(queue: string): Promise<string> {
    const { signal } = this.#subscribed;
    const open = this.#daemon.queues.subscribe({ queue, reportTaken: true }, { signal });
    const responses = open[Symbol.asyncIterator]();
    const first = await responses.next();
    // Further items are not read: they wait in the window, untaken, until the subscription ends.
    return first.done === true ? "" : first.value.subscriptionId;
  }
}

/** Templates on which no other is based, then those on which only those were, and so on. */
function youngestFirst(
  names: readonly string[],
  parents: ReadonlyMap<string, string>,
): readonly (readonly string[])[] {
  if (names.length === 0) return [];
  const used = new Set(names.map((name) => parents.get(name)));
  const youngest = names.filter((name) => !used.has(name));
  assert.notEqual(youngest.length, 0, "templates are based on each other");
  return [
    youngest,
    ...youngestFirst(
      names.filter((name) => used.has(name)),
      parents,
    ),
  ];
}

async function everyName(
  read: (token: string) => Promise<{ readonly names: readonly string[]; readonly next: string }>,
): Promise<readonly string[]> {
  const all: string[] = [];
  let token = "";
  do {
    const { names, next } = await read(token);
    all.push(...names);
    token = next;
  } while (token !== "");
  return all;
}

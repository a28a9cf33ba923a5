import { labelSize } from "../core/labels.js";
import { type Listed, type Page, pageOf } from "../core/page.js";
import { type Runtime } from "../processes/target.js";
import { waitUntil } from "../processes/waiting.js";
import {
  type CreateTemplateOrder,
  TemplateEdits,
  type TemplateEditsParts,
} from "./template-edits.js";
import { emptySpec, templateSize, type TemplateSpec } from "./template-spec.js";
import { isSettled } from "./template-state.js";
import { newTemplate, type Template } from "./template-table.js";

export interface TemplateFilter {
  readonly namePrefix: string;
  readonly labels: Readonly<Record<string, string>>;
}

const RUNTIMES: readonly Runtime[] = ["python", "node"];

/** What clients can do with templates. */
export class Templates {
  readonly #parts: TemplateEditsParts;
  readonly #edits: TemplateEdits;

  constructor(parts: TemplateEditsParts) {
    this.#parts = parts;
    this.#edits = new TemplateEdits(parts);
    for (const runtime of RUNTIMES) this.#build(runtime);
  }

  /** Kept, and its zygote starts. */
  create(order: CreateTemplateOrder): Promise<Template> {
    return this.#edits.create(order);
  }

  get(name: string): Template {
    return this.#parts.table.existing(name);
  }

  /** Another generation, unless the spec is the same and has not failed. */
  update(name: string, spec: TemplateSpec): Promise<Template> {
    return this.#edits.update(name, spec);
  }

  /** Its zygote ends. */
  delete(name: string): Promise<void> {
    return this.#edits.delete(name);
  }

  warmWorkers(name: string): number {
    return this.#parts.zygotes.work.warmWorkers(name);
  }

  /** At most `count`, after that name, and fewer where they are large. */
  list(filter: TemplateFilter, after: string, count: number): Page<Template> {
    return pageOf(this.#found(filter, after), count);
  }

  /** False when the wait ran out. Fails with `template-not-found` when it is deleted meanwhile. */
  async wait(name: string, waitMs: number | null, signal: AbortSignal): Promise<boolean> {
    const { table, clock, zygotes } = this.#parts;
    this.get(name);
    zygotes.changes.want(name);
    const holds = (): boolean => {
      const template = table.byName(name);
      return template === undefined || template.record.deleted || isSettled(template.state);
    };
    const watch = (onChange: () => void): Disposable => table.watch(name, onChange);
    const reached = await waitUntil({ watch, holds }, waitMs, clock, signal);
    this.get(name);
    return reached;
  }

  /** `python` and `node`, where an earlier daemon has not left them. */
  #build(runtime: Runtime): void {
    const { table, newUid, clock } = this.#parts;
    if (table.byName(runtime) !== undefined) return;
    table.put(
      newTemplate({
        uid: newUid(),
        name: runtime,
        builtIn: true,
        owner: "forkbus",
        labels: {},
        spec: emptySpec(runtime),
        requestId: null,
        createTimeMs: clock.wallTime(),
      }),
    );
  }

  *#found({ namePrefix, labels }: TemplateFilter, after: string): Iterable<Listed<Template>> {
    const { table } = this.#parts;
    for (const name of table.names(namePrefix, after)) {
      const item = table.byName(name);
      if (item === undefined || item.record.deleted) continue;
      const { record } = item;
      if (!Object.entries(labels).every(([key, value]) => record.labels[key] === value)) continue;
      yield { name, item, size: shownSize(item) };
    }
  }
}

/** About what is shown of it in lists. */
function shownSize({ record, state }: Template): number {
  const size = templateSize(record.spec) + labelSize(Object.entries(record.labels));
  if (state.failure === null) return size;
  const { exception, message, threads, openFiles, stderrTail } = state.failure.failure;
  const raised = exception === null ? [] : [exception.message, exception.traceback];
  const texts = [message, stderrTail, ...raised, ...threads, ...openFiles];
  return texts.reduce((sum, text) => sum + text.length, size);
}

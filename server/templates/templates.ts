import { type Clock } from "../core/clock.js";
import { DomainError, invalidField } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { canonicalText } from "../processes/process-spec.js";
import { type Runtime } from "../processes/target.js";
import { waitUntil } from "../processes/waiting.js";
import { type FormerSpec, type TemplateRecord, type TemplateStore } from "./template-record.js";
import { emptySpec, type TemplateSpec, validateTemplateSpec } from "./template-spec.js";
import { isSettled, phaseOf } from "./template-state.js";
import { newTemplate, type Template, type TemplateTable } from "./template-table.js";
import { type ZygoteSupervisor } from "./zygote-supervisor.js";

export interface CreateTemplateOrder {
  readonly name: string;
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: TemplateSpec;
  /** Null: the create is not idempotent. */
  readonly requestId: string | null;
}

export interface TemplateFilter {
  readonly namePrefix: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface TemplatesParts {
  readonly table: TemplateTable;
  readonly store: TemplateStore;
  readonly zygotes: ZygoteSupervisor;
  readonly newUid: () => ProcessUid;
  readonly clock: Clock;
}

const DELETE_WAIT_MS = 2000;

const RUNTIMES: readonly Runtime[] = ["python", "node"];

/** What clients can do with templates. */
export class Templates {
  readonly #parts: TemplatesParts;

  constructor(parts: TemplatesParts) {
    this.#parts = parts;
    for (const runtime of RUNTIMES) this.#build(runtime);
  }

  /** Resolves when it is kept; its zygote starts then. */
  async create(order: CreateTemplateOrder): Promise<Template> {
    const { table, store, newUid, clock } = this.#parts;
    const spec = validateTemplateSpec(order.spec);
    const there = table.byName(order.name);
    if (there !== undefined) return this.#repeated(there, order);
    this.#checkParent(order.name, spec);
    const made = { ...order, spec, uid: newUid(), builtIn: false, createTimeMs: clock.wallTime() };
    const template = table.put(newTemplate(made));
    try {
      await store.save(template.record);
    } catch (error) {
      table.remove(order.name);
      throw error;
    }
    this.#parts.zygotes.changes.want(order.name);
    return this.get(order.name);
  }

  get(name: string): Template {
    return this.#parts.table.existing(name);
  }

  warmWorkers(name: string): number {
    return this.#parts.zygotes.work.warmWorkers(name);
  }

  /** At most `size`, after that name; and the last name where there are more. */
  list(filter: TemplateFilter, after: string, size: number) {
    const templates: Template[] = [];
    for (const name of this.#parts.table.names(filter.namePrefix, after)) {
      const template = this.#parts.table.byName(name);
      if (template === undefined || template.record.deleted) continue;
      const { labels } = template.record;
      if (!Object.entries(filter.labels).every(([key, value]) => labels[key] === value)) continue;
      if (templates.length === size)
        return { templates, lastName: templates.at(-1)?.record.name ?? null };
      templates.push(template);
    }
    return { templates, lastName: null };
  }

  /** Another generation, unless the spec is the same and has not failed. */
  async update(name: string, spec: TemplateSpec): Promise<Template> {
    const { table, store, zygotes } = this.#parts;
    const { record, state } = this.get(name);
    this.#mustNotBeBuiltIn(record);
    validateTemplateSpec(spec);
    this.#checkParent(name, spec);
    if (spec.runtime !== record.spec.runtime) {
      throw invalidField(
        "spec.runtime",
        spec.runtime,
        `Template ${name} is of ${record.spec.runtime}, and stays so`,
      );
    }
    if (canonicalText(spec) === canonicalText(record.spec) && phaseOf(state) !== "failed")
      return this.get(name);
    const former = formerOf(this.get(name));
    const changed = { ...record, spec, former, generation: state.newest + 1 };
    await store.save(changed);
    try {
      // Meanwhile another update may have made this one a circle.
      this.#checkParent(name, spec);
    } catch (error) {
      await store.save(this.get(name).record);
      throw error;
    }
    const now = this.get(name);
    table.put({ ...now, record: { ...now.record, spec, former: formerOf(now) } });
    zygotes.changes.change(name);
    return this.get(name);
  }

  async delete(name: string): Promise<void> {
    const { table, store, zygotes, clock } = this.#parts;
    const template = table.byName(name);
    if (template === undefined || template.record.deleted) return;
    this.#mustNotBeBuiltIn(template.record);
    const users = table.childrenOf(name).map(({ record }) => record.name);
    if (users.length > 0) {
      throw new DomainError(
        "template-in-use",
        `Other templates are based on ${name}: ${users.join(", ")}`,
        {
          facts: { users: users.join(",") },
        },
      );
    }
    // At once: what happens to its zygotes meanwhile must not be forgotten.
    const { record } = table.put({ ...template, record: { ...template.record, deleted: true } });
    try {
      await store.save(record);
    } catch (error) {
      const now = table.byName(name);
      if (now !== undefined) table.put({ ...now, record: { ...now.record, deleted: false } });
      throw error;
    }
    zygotes.delete(name);
    // The name is free when its zygotes have gone, which takes long only while the keeper is away.
    const watch = (onChange: () => void): Disposable => table.watch(name, onChange);
    const holds = (): boolean => table.byName(name)?.record.uid !== record.uid;
    await waitUntil({ watch, holds }, DELETE_WAIT_MS, clock, new AbortController().signal);
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

  #repeated(
    there: Template,
    { owner, requestId, spec, labels, name }: CreateTemplateOrder,
  ): Template {
    const { record } = there;
    if (
      record.deleted ||
      requestId === null ||
      record.requestId !== requestId ||
      record.owner !== owner
    ) {
      throw new DomainError("template-exists", `There is a template ${name} already`, {
        facts: { name },
      });
    }
    if (
      canonicalText({ spec, labels }) !==
      canonicalText({ spec: record.spec, labels: record.labels })
    ) {
      throw new DomainError(
        "request-id-reused",
        `The request_id ${requestId} was used for another template of that name`,
        { facts: { method: "CreateTemplate" } },
      );
    }
    return there;
  }

  #checkParent(name: string, { parent, runtime }: TemplateSpec): void {
    for (let above = parent; above !== null;) {
      if (above === name) {
        throw invalidField("spec.parent", name, `Template ${name} would be its own parent`);
      }
      const { spec } = this.get(above).record;
      if (spec.runtime !== runtime) {
        throw invalidField("spec.runtime", runtime, `The parent ${above} is of ${spec.runtime}`);
      }
      above = spec.parent;
    }
  }

  #mustNotBeBuiltIn({ name, builtIn }: TemplateRecord): void {
    if (!builtIn) return;
    throw new DomainError("template-in-use", `The template ${name} is built in`, {
      facts: { users: "" },
    });
  }
}

/** What is to be known of it once it has another spec. */
function formerOf({ record, state }: Template): FormerSpec | null {
  const { generation, spec, former } = record;
  return state.proven === generation ? { generation, spec } : former;
}

import { type Clock } from "../core/clock.js";
import { DomainError, invalidField } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { canonicalText } from "../processes/process-spec.js";
import { waitUntil } from "../processes/waiting.js";
import { ChangeLine } from "./change-line.js";
import { type FormerSpec, type TemplateRecord, type TemplateStore } from "./template-record.js";
import {
  templateSize,
  type TemplateSpec,
  templateText,
  validateTemplateSpec,
} from "./template-spec.js";
import { phaseOf } from "./template-state.js";
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

export interface TemplateEditsParts {
  readonly table: TemplateTable;
  readonly store: TemplateStore;
  readonly zygotes: ZygoteSupervisor;
  readonly newUid: () => ProcessUid;
  readonly clock: Clock;
  /** Built-in ones included. */
  readonly maxTemplates?: number;
  /** For the specs of all templates together. */
  readonly maxSpecBytes?: number;
}

/** Each has a process of its own. */
const MAX_TEMPLATES = 1000;
const MAX_SPEC_BYTES = 64 * 1024 * 1024;
const DELETE_WAIT_MS = 2000;

/** What clients change: one change at a time, and each is kept before anybody sees it. */
export class TemplateEdits {
  readonly #parts: TemplateEditsParts;
  readonly #line = new ChangeLine();

  constructor(parts: TemplateEditsParts) {
    this.#parts = parts;
  }

  /** Resolves when it is kept; its zygote starts then. */
  async create(order: CreateTemplateOrder): Promise<Template> {
    const spec = validateTemplateSpec(order.spec);
    return this.#line.run(templateSize(spec), async () => {
      const { table, store, newUid, clock } = this.#parts;
      const there = table.byName(order.name);
      if (there !== undefined) return this.#repeated(there, order);
      this.#checkParent(order.name, spec);
      this.#checkRoom(1, templateSize(spec));
      const made = { ...order, spec, uid: newUid(), builtIn: false };
      const template = newTemplate({ ...made, createTimeMs: clock.wallTime() });
      const record = table.revised(template.record);
      await store.save(record);
      table.put({ ...template, record });
      this.#parts.zygotes.changes.want(order.name);
      return table.existing(order.name);
    });
  }

  /** Another generation, unless the spec is the same and has not failed. */
  update(name: string, spec: TemplateSpec): Promise<Template> {
    return this.#line.run(templateSize(spec), async () => {
      const { table, zygotes } = this.#parts;
      const { record, state } = table.existing(name);
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
      const isSame = templateText(spec) === templateText(record.spec);
      if (isSame && phaseOf(state) !== "failed") return table.existing(name);
      this.#checkRoom(0, templateSize(spec) - templateSize(record.spec));
      await this.#replaceSpec(name, spec);
      zygotes.changes.change(name);
      return table.existing(name);
    });
  }

  async delete(name: string): Promise<void> {
    const { table, clock } = this.#parts;
    const uid = await this.#line.run(0, () => this.#markDeleted(name));
    if (uid === null) return;
    // The name is free when its zygotes have gone, which takes long only while the keeper is away.
    const watch = (onChange: () => void): Disposable => table.watch(name, onChange);
    const holds = (): boolean => table.byName(name)?.record.uid !== uid;
    await waitUntil({ watch, holds }, DELETE_WAIT_MS, clock, new AbortController().signal);
  }

  /** Keeps the template with another spec. */
  async #replaceSpec(name: string, spec: TemplateSpec): Promise<void> {
    const { table, store } = this.#parts;
    for (;;) {
      const template = table.existing(name);
      const { record, state } = template;
      const former = formerOf(template);
      const changed = table.revised({ ...record, spec, former, generation: state.newest + 1 });
      await store.save(changed);
      const now = table.existing(name);
      // What became of its zygotes meanwhile was kept with the old spec.
      if (now.record !== record || now.state.proven !== state.proven) continue;
      table.put({ ...now, record: changed });
      return;
    }
  }

  /** What was deleted; null when there is nothing. */
  async #markDeleted(name: string): Promise<string | null> {
    const { table, store, zygotes } = this.#parts;
    const template = table.byName(name);
    if (template === undefined || template.record.deleted) return null;
    this.#mustNotBeBuiltIn(template.record);
    const users = table.childrenOf(name).map((child) => child.record.name);
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
    return record.uid;
  }

  #checkRoom(templates: number, bytes: number): void {
    const { table, maxTemplates = MAX_TEMPLATES, maxSpecBytes = MAX_SPEC_BYTES } = this.#parts;
    if (templates > 0 && table.size + templates > maxTemplates) {
      throw new DomainError("host-exhausted", `There are ${table.size} templates already`, {
        facts: { resource: "templates", limit: String(maxTemplates) },
      });
    }
    if (bytes > 0 && table.bytes + bytes > maxSpecBytes) {
      throw new DomainError(
        "host-exhausted",
        `The specs of all templates take up ${table.bytes} bytes, at most ${maxSpecBytes} can be`,
        { facts: { resource: "specs", limit: String(maxSpecBytes) } },
      );
    }
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
      templateText(spec) !== templateText(record.spec) ||
      canonicalText(labels) !== canonicalText(record.labels)
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
    const { table } = this.#parts;
    for (let above = parent; above !== null;) {
      if (above === name) {
        throw invalidField("spec.parent", name, `Template ${name} would be its own parent`);
      }
      const { spec } = table.existing(above).record;
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

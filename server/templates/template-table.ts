import { DomainError } from "../core/errors.js";
import { SortedNames } from "../core/sorted-names.js";
import { type ProcessUid } from "../core/ids.js";
import { Watchers } from "../core/watchers.js";
import { inGeneration, type TemplateRecord } from "./template-record.js";
import { templateSize } from "./template-spec.js";
import { idle, type TemplateState } from "./template-state.js";

/** A template: what is kept of it, and what has become of it. */
export interface Template {
  readonly record: TemplateRecord;
  readonly state: TemplateState;
  /** Workers forked by the zygote that serves. */
  readonly forks: number;
}

/** In its first generation, of which nothing has been started. */
export function newTemplate(
  made: Omit<TemplateRecord, "revision" | "generation" | "former" | "zygotes" | "deleted">,
): Template {
  const fresh = { revision: 0, generation: 1, former: null, zygotes: [], deleted: false };
  const record = { ...made, ...fresh };
  return { record, state: idle(1), forks: 0 };
}

/** As it is for processes that are created now: in the generation that serves, else in the newest. */
export function current({ record, state }: Template): TemplateRecord {
  const { generation } = state.serving ?? state.fallback ?? record;
  return inGeneration(record, generation);
}

/** The only owner of templates. */
export class TemplateTable {
  readonly #byName = new Map<string, Template>();
  readonly #names = new SortedNames();
  readonly #ofZygote = new Map<ProcessUid, string>();
  readonly #watchers = new Watchers<string>();
  #revision: number;
  #bytes = 0;

  constructor(records: readonly TemplateRecord[]) {
    this.#revision = Math.max(0, ...records.map(({ revision }) => revision));
    for (const record of records) {
      const state = idle(record.generation, record.former?.generation);
      this.#enter({ record, state, forks: 0 });
    }
  }

  /** Deleted and built-in ones included. */
  get size(): number {
    return this.#byName.size;
  }

  /** About what the specs of all templates take up. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Deleted ones included. */
  all(): Iterable<Template> {
    return this.#byName.values();
  }

  byName(name: string): Template | undefined {
    return this.#byName.get(name);
  }

  /** DomainError `template-not-found` where there is none, or only its zygotes are left. */
  existing(name: string): Template {
    const template = this.#byName.get(name);
    if (template !== undefined && !template.record.deleted) return template;
    throw new DomainError("template-not-found", `There is no template ${name}`, {
      facts: { name },
    });
  }

  /** The template whose zygote this is, or was. */
  ofZygote(uid: ProcessUid): Template | undefined {
    const name = this.#ofZygote.get(uid);
    return name === undefined ? undefined : this.#byName.get(name);
  }

  /** A record under the next revision, to be kept before it is put. */
  revised(record: TemplateRecord): TemplateRecord {
    return { ...record, revision: ++this.#revision };
  }

  /** Under the next revision where what is kept has changed, and was not revised for that. */
  put(template: Template): Template {
    const { record } = template;
    const before = this.#byName.get(record.name)?.record;
    const isRevised = record === before || record.revision > (before?.revision ?? 0);
    const next = isRevised ? template : { ...template, record: this.revised(record) };
    this.#enter(next);
    this.#watchers.wake(next.record.name);
    return next;
  }

  remove(name: string): void {
    const template = this.#byName.get(name);
    if (template === undefined) return;
    for (const { uid } of template.record.zygotes) this.#ofZygote.delete(uid);
    this.#bytes -= sizeOf(template.record);
    this.#byName.delete(name);
    this.#names.delete(name);
    this.#watchers.wake(name);
  }

  /** Names from `after` on. */
  names(prefix: string, after: string): Iterable<string> {
    return this.#names.list(prefix, after);
  }

  childrenOf(name: string): readonly Template[] {
    return [...this.all()].filter(({ record }) => !record.deleted && record.spec.parent === name);
  }

  /** Calls back at every change, the removal included, until disposed. */
  watch(name: string, onChange: () => void): Disposable {
    return this.#watchers.watch(name, onChange);
  }

  #enter(template: Template): void {
    const { record } = template;
    const { name, zygotes, spec, former } = record;
    const before = this.#byName.get(name)?.record;
    for (const { uid } of before?.zygotes ?? []) this.#ofZygote.delete(uid);
    if (before?.spec !== spec || before.former !== former) {
      this.#bytes += sizeOf(record) - (before === undefined ? 0 : sizeOf(before));
    }
    for (const { uid } of zygotes) this.#ofZygote.set(uid, name);
    this.#byName.set(name, template);
    this.#names.add(name);
  }
}

function sizeOf({ spec, former }: TemplateRecord): number {
  return templateSize(spec) + (former === null ? 0 : templateSize(former.spec));
}

import { type TemplateSpec } from "./template-spec.js";
import { type Zygote } from "./template-state.js";

/** All that is kept of a template. */
export interface TemplateRecord {
  readonly uid: string;
  readonly name: string;
  /** `python` and `node`, which nobody has created. */
  readonly builtIn: boolean;
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: TemplateSpec;
  /** Null when the create had none. */
  readonly requestId: string | null;
  /** Wall clock. */
  readonly createTimeMs: number;
  readonly revision: number;
  /** Of the newest spec. */
  readonly generation: number;
  /** The generation before that has served, for as long as the newest has not. */
  readonly former: FormerSpec | null;
  /** Every zygote that may be alive: kept before it is started. */
  readonly zygotes: readonly Zygote[];
  /** Only its zygotes are left. */
  readonly deleted: boolean;
}

export interface FormerSpec {
  readonly generation: number;
  readonly spec: TemplateSpec;
}

/** The template as it was, or is, in that generation: the newest, or the former. */
export function inGeneration(record: TemplateRecord, generation: number): TemplateRecord {
  const { former } = record;
  return former?.generation === generation ? { ...record, generation, spec: former.spec } : record;
}

/** Where templates are kept. */
export interface TemplateStore {
  /** Resolves when it survives the death of the daemon. DomainError `disk-full`. */
  save(record: TemplateRecord): Promise<void>;
  remove(name: string): Promise<void>;
}

import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { type ForkWork } from "./fork-work.js";
import { type TemplateRecord } from "./template-record.js";
import {
  step,
  type TemplateEffect,
  type TemplateEvent,
  type TemplateState,
} from "./template-state.js";
import { type TemplateTable } from "./template-table.js";
import { type TemplateFailure, type ZygoteReport } from "./zygote-report.js";

export interface TemplateChangesParts {
  readonly table: TemplateTable;
  readonly work: ForkWork;
  readonly clock: Clock;
  readonly log: {
    info(message: string, fields: Readonly<Record<string, unknown>>): void;
    warn(message: string, fields: Readonly<Record<string, unknown>>): void;
  };
  readonly newUid: () => ProcessUid;
  /** Has the zygote made that is loading now. */
  readonly start: (template: string, zygote: ProcessUid) => void;
  /** Wherever it is on its way, nothing is to be left of it. */
  readonly end: (zygote: ProcessUid) => void;
  /** Nothing is begun any more. */
  readonly closed: AbortSignal;
}

/** Puts events through `step` and does what it says: the one place where the state of a template changes. */
export class TemplateChanges {
  readonly #parts: TemplateChangesParts;

  constructor(parts: TemplateChangesParts) {
    this.#parts = parts;
  }

  /** Its zygote is started if nobody has needed it before. */
  want(name: string): void {
    this.apply(name, { kind: "wanted", fresh: this.#parts.newUid() });
  }

  /** It has another spec: the next generation is loaded. */
  change(name: string): void {
    this.apply(name, { kind: "changed", fresh: this.#parts.newUid() });
  }

  /** Its newest generation is loaded anew, unless nobody has ever needed it. */
  reload(name: string): void {
    this.apply(name, { kind: "reload", fresh: this.#parts.newUid() });
  }

  loaded(name: string, uid: ProcessUid, report: ZygoteReport): void {
    this.apply(name, { kind: "loaded", uid, report, nowMs: this.#parts.clock.now() });
  }

  died(name: string, uid: ProcessUid, failure: TemplateFailure): void {
    this.apply(name, { kind: "died", uid, nowMs: this.#parts.clock.now(), failure });
  }

  apply(name: string, event: TemplateEvent): void {
    const template = this.#parts.table.byName(name);
    if (template === undefined) return;
    const [state, effects] = step(template.state, event);
    if (state === template.state) return;
    const record = recordAfter(template.record, state);
    const { serving, fallback } = template.state;
    const servesOn = state.serving?.uid === serving?.uid && state.fallback === fallback;
    this.#parts.table.put({ record, state, forks: servesOn ? template.forks : 0 });
    for (const effect of effects) this.#perform(name, effect);
    if (!servesOn) this.#servesAnother(name);
  }

  #perform(name: string, effect: TemplateEffect): void {
    const { table, work, log, clock, closed, start, end } = this.#parts;
    switch (effect.kind) {
      case "start":
        start(name, effect.zygote.uid);
        return;
      case "end":
        end(effect.uid);
        return;
      case "retry-in": {
        const retry = (): void => {
          this.apply(name, { kind: "retry-due", fresh: this.#parts.newUid() });
        };
        clock.sleep(effect.delayMs, closed).then(retry, () => undefined);
        return;
      }
      case "serve":
        // First, for those that wait to be forked would be forked, ended, and forked again.
        for (const child of table.childrenOf(name)) this.reload(child.record.name);
        work.pump(name);
        return;
      case "refuse":
        log.warn("template failed", { template: name, reason: effect.failure.message });
        work.refuse(name, effect.failure);
        return;
    }
  }

  #servesAnother(name: string): void {
    const serving = this.#parts.table.byName(name)?.state.serving ?? null;
    if (serving !== null) {
      const { generation } = serving;
      this.#parts.log.info("template ready", { template: name, generation });
    }
    this.#parts.work.serveFrom(name);
  }
}

function recordAfter(record: TemplateRecord, { newest, proven }: TemplateState): TemplateRecord {
  if (newest !== record.generation) return { ...record, generation: newest };
  // Nobody needs the former any more.
  return proven === newest && record.former !== null ? { ...record, former: null } : record;
}

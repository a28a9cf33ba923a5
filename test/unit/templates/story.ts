import assert from "node:assert/strict";
import type { ProcessUid } from "../../../server/core/ids.js";
import {
  idle,
  step,
  type TemplateEffect,
  type TemplateEvent,
  type TemplateState,
} from "../../../server/templates/template-state.js";
import { failureOf } from "../../../server/templates/zygote-report.js";
import { uidOf } from "../processes/fixture.js";
import { REPORT } from "./fixture.js";

export const FAILURE = failureOf("No module named app");

/** A template to which things happen, one after the other. */
export class Story {
  state: TemplateState = idle(1);
  nowMs = 0;
  effects: readonly TemplateEffect[] = [];
  #next = 1;

  happens(event: TemplateEvent): readonly TemplateEffect[] {
    [this.state, this.effects] = step(this.state, event);
    return this.effects;
  }

  fresh(): ProcessUid {
    return uidOf(this.#next++);
  }

  wanted(): readonly TemplateEffect[] {
    return this.happens({ kind: "wanted", fresh: this.fresh() });
  }

  changed(): readonly TemplateEffect[] {
    return this.happens({ kind: "changed", fresh: this.fresh() });
  }

  loaded(report = REPORT): readonly TemplateEffect[] {
    const uid = this.loading;
    return this.happens({ kind: "loaded", uid, report, nowMs: this.nowMs });
  }

  failed(passes = false): readonly TemplateEffect[] {
    return this.happens({ kind: "failed", uid: this.loading, failure: FAILURE, passes });
  }

  died(uid = this.serving): readonly TemplateEffect[] {
    return this.happens({ kind: "died", uid, nowMs: this.nowMs, failure: FAILURE });
  }

  retryDue(): readonly TemplateEffect[] {
    return this.happens({ kind: "retry-due", fresh: this.fresh() });
  }

  get loading(): ProcessUid {
    return this.state.loading?.uid ?? assert.fail("nothing loads");
  }

  get serving(): ProcessUid {
    return this.state.serving?.uid ?? assert.fail("nothing serves");
  }

  get loadingGeneration(): number {
    return this.state.loading?.generation ?? assert.fail("nothing loads");
  }

  get servingGeneration(): number {
    return this.state.serving?.generation ?? assert.fail("nothing serves");
  }

  get failedGeneration(): number | undefined {
    return this.state.failure?.generation;
  }

  get kinds(): string {
    return this.effects.map(({ kind }) => kind).join(" ");
  }
}

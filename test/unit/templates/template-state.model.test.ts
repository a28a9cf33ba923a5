import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProcessUid } from "../../../server/core/ids.js";
import {
  isSettled,
  phaseOf,
  type TemplateEffect,
} from "../../../server/templates/template-state.js";
import { CANNOT, REPORT } from "./fixture.js";
import { FAILURE, Story } from "./story.js";

type Move =
  | "wanted"
  | "changed"
  | "reload"
  | "loaded"
  | "cannot-fork"
  | "failed"
  | "failed-for-now"
  | "died"
  | "late"
  | "retry-due"
  | "time";

const move = fc.constantFrom<Move>(
  "wanted",
  "changed",
  "reload",
  "loaded",
  "loaded",
  "cannot-fork",
  "failed",
  "failed-for-now",
  "died",
  "died",
  "late",
  "retry-due",
  "time",
);

/** What the world knows: which zygotes live, and what was promised. */
class World {
  readonly story = new Story();
  readonly alive = new Set<ProcessUid>();
  readonly gone: ProcessUid[] = [];
  retries = 0;

  act(what: Move): void {
    const { story } = this;
    const { loading, serving } = story.state;
    switch (what) {
      case "wanted":
        this.#follow(story.wanted());
        return;
      case "changed":
        this.#follow(story.changed());
        return;
      case "reload":
        this.#follow(story.happens({ kind: "reload", fresh: story.fresh() }));
        return;
      case "loaded":
      case "cannot-fork":
        if (loading === null) return;
        if (what === "cannot-fork") this.#bury(loading.uid);
        this.#follow(story.loaded(what === "loaded" ? REPORT : CANNOT));
        return;
      case "failed":
      case "failed-for-now":
        if (loading === null) return;
        this.#bury(loading.uid);
        this.#follow(story.failed(what === "failed-for-now"));
        return;
      case "died": {
        const uid = serving?.uid ?? loading?.uid;
        if (uid === undefined) return;
        this.#bury(uid);
        this.#follow(story.died(uid));
        return;
      }
      case "late": {
        // News of one that nobody waits for any more.
        const uid = this.gone.at(-1);
        if (uid === undefined) return;
        const before = story.state;
        const { nowMs } = story;
        story.happens({ kind: "loaded", uid, report: REPORT, nowMs });
        story.happens({ kind: "failed", uid, failure: FAILURE, passes: false });
        story.happens({ kind: "died", uid, nowMs, failure: FAILURE });
        assert.equal(story.state, before);
        return;
      }
      case "retry-due":
        if (this.retries === 0) return;
        this.retries--;
        this.#follow(story.retryDue());
        return;
      case "time":
        story.nowMs += 40_000;
        return;
    }
  }

  check(): void {
    const { state } = this.story;
    const known = [state.serving, state.loading].flatMap((zygote) =>
      zygote === null ? [] : [zygote.uid],
    );
    assert.deepEqual([...this.alive].sort(), known.sort(), "what lives is what it knows of");
    assert.ok(state.serving === null || state.fallback === null, "it forks or spawns");
    assert.ok(!state.retrying || this.retries > 0, "a retry that nobody will remember");
    const phase = phaseOf(state);
    if (phase === "failed") {
      assert.equal(state.failure?.generation, state.newest);
      assert.equal(state.proven, 0, "what has served is tried again");
    }
    if (state.failure !== null) assert.equal(state.failure.generation, state.newest);
    if (phase === "starting") assert.ok(state.loading !== null || this.retries > 0);
    assert.ok(state.proven <= state.newest);
  }

  #follow(effects: readonly TemplateEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "start":
          this.alive.add(effect.zygote.uid);
          break;
        case "end":
          this.#bury(effect.uid);
          break;
        case "retry-in":
          this.retries++;
          break;
        case "serve":
          assert.equal(phaseOf(this.story.state), "ready");
          break;
        case "refuse":
          assert.equal(this.story.state.serving, null, "what serves is not refused");
          assert.notEqual(phaseOf(this.story.state), "ready");
          break;
      }
    }
  }

  #bury(uid: ProcessUid): void {
    this.alive.delete(uid);
    this.gone.push(uid);
  }
}

describe("the state of a template, whatever happens", () => {
  it("knows every zygote that lives, and forgets no duty", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60, size: "max" }), (moves) => {
        const world = new World();
        for (const each of moves) {
          const before = world.story.state;
          world.act(each);
          world.check();
          const { state } = world.story;
          const served = before.serving !== null || before.fallback !== null;
          if (served && each.startsWith("failed"))
            assert.equal(phaseOf(state), "ready", "it serves on");
          if (each === "failed-for-now" && before.loading !== null) {
            assert.equal(isSettled(state), false, "nobody tries again");
          }
          if (before.serving !== null && each === "died") {
            assert.equal(phaseOf(state), before.fallback === null ? "starting" : "ready");
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

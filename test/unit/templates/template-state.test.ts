import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProcessUid } from "../../../server/core/ids.js";
import {
  idle,
  isSettled,
  phaseOf,
  step,
  type TemplateEffect,
  type TemplateEvent,
  type TemplateState,
} from "../../../server/templates/template-state.js";
import { failureOf } from "../../../server/templates/zygote-report.js";
import { uidOf } from "../processes/fixture.js";
import { REPORT } from "./fixture.js";

const FAILURE = failureOf("No module named app");
const CANNOT = { ...REPORT, canFork: false, why: "An unknown V8" };

/** A template to which things happen, one after the other. */
class Story {
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

  get kinds(): string {
    return this.effects.map(({ kind }) => kind).join(" ");
  }
}

describe("the state of a template", () => {
  let story: Story;

  beforeEach(() => {
    story = new Story();
  });

  it("has no zygote until one is wanted, and then one", () => {
    assert.equal(phaseOf(story.state), "idle");
    assert.deepEqual(story.wanted(), [{ kind: "start", zygote: { uid: uidOf(1), generation: 1 } }]);
    assert.deepEqual(story.wanted(), []);
    assert.equal(phaseOf(story.state), "starting");
    story.loaded();
    assert.equal(story.kinds, "serve");
    assert.equal(phaseOf(story.state), "ready");
    assert.deepEqual(story.wanted(), []);
  });

  it("serves on with the former generation until the newer one is ready", () => {
    story.wanted();
    story.loaded();
    const former = story.serving;
    story.changed();
    assert.equal(story.kinds, "start");
    assert.equal(isSettled(story.state), false);
    assert.equal(story.serving, former);
    assert.deepEqual(story.loaded(), [{ kind: "end", uid: former }, { kind: "serve" }]);
    assert.equal(story.state.serving?.generation, 2);
  });

  it("serves on when the newer generation fails, and says that it did", () => {
    story.wanted();
    story.loaded();
    const former = story.serving;
    story.changed();
    assert.deepEqual(story.failed(), [], "nobody is refused");
    assert.equal(story.serving, former);
    assert.equal(story.state.failure?.generation, 2);
    assert.equal(phaseOf(story.state), "ready");
    assert.equal(isSettled(story.state), true);
  });

  it("refuses when its only generation fails, until it is changed", () => {
    story.wanted();
    assert.deepEqual(story.failed(), [{ kind: "refuse", failure: FAILURE }]);
    assert.equal(phaseOf(story.state), "failed");
    assert.deepEqual(story.wanted(), []);
    story.changed();
    assert.equal(story.kinds, "start");
    assert.equal(story.state.failure, null);
  });

  it("begins anew what loads when it is changed meanwhile, and hears no more of the former", () => {
    story.wanted();
    const former = story.loading;
    story.changed();
    assert.equal(story.kinds, "end start");
    const { state } = story;
    story.happens({ kind: "loaded", uid: former, report: REPORT, nowMs: 0 });
    story.happens({ kind: "failed", uid: former, failure: FAILURE, passes: false });
    story.died(former);
    assert.equal(story.state, state);
  });

  it("restarts what dies at once the first time, then ever later", () => {
    story.wanted();
    story.loaded();
    const delays: number[] = [];
    for (let death = 0; death < 10; death++) {
      const [effect] = story.died();
      assert.ok(effect?.kind === "retry-in");
      delays.push(effect.delayMs);
      assert.equal(phaseOf(story.state), "starting");
      story.retryDue();
      assert.equal(story.kinds, "start");
      story.loaded();
    }
    assert.deepEqual(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    assert.equal(story.state.restarts, 10);
  });

  it("forgets deaths when it has served for a minute", () => {
    story.wanted();
    story.loaded();
    for (let death = 0; death < 3; death++) {
      story.died();
      story.retryDue();
      story.loaded();
    }
    story.nowMs += 60_000;
    assert.deepEqual(story.died(), [{ kind: "retry-in", delayMs: 0 }]);
  });

  it("tries again a generation that has served before", () => {
    story.wanted();
    story.loaded();
    story.died();
    story.retryDue();
    assert.deepEqual(story.failed(), [{ kind: "retry-in", delayMs: 100 }]);
    assert.equal(phaseOf(story.state), "starting");
    story.retryDue();
    assert.equal(story.kinds, "start");
  });

  it("is tried again when the host was at fault, and refuses what waits meanwhile", () => {
    story.wanted();
    const refuse = { kind: "refuse", failure: FAILURE };
    assert.deepEqual(story.failed(true), [refuse, { kind: "retry-in", delayMs: 0 }]);
    assert.equal(phaseOf(story.state), "starting");
    assert.equal(isSettled(story.state), false);
    assert.equal(story.state.failure?.failure, FAILURE);
    story.retryDue();
    assert.deepEqual(story.failed(true), [refuse, { kind: "retry-in", delayMs: 100 }]);
    story.retryDue();
    story.loaded();
    assert.equal(story.state.failure, null);
    story.changed();
    assert.deepEqual(story.failed(true), [{ kind: "retry-in", delayMs: 0 }], "it serves on");
    assert.equal(phaseOf(story.state), "ready");
    story.retryDue();
    assert.equal(story.state.loading?.generation, 2);
  });

  it("waits for the newer generation when the one that serves dies", () => {
    story.wanted();
    story.loaded();
    story.changed();
    const newer = story.loading;
    assert.deepEqual(story.died(), []);
    assert.equal(story.loading, newer);
    assert.deepEqual(story.failed(), [{ kind: "refuse", failure: FAILURE }]);
  });

  it("spawns where it cannot be forked, in the place of what served", () => {
    story.wanted();
    story.loaded();
    const former = story.serving;
    story.changed();
    assert.deepEqual(story.loaded(CANNOT), [{ kind: "end", uid: former }, { kind: "serve" }]);
    assert.equal(story.state.serving, null);
    assert.deepEqual(story.state.fallback, { generation: 2, why: "An unknown V8", report: CANNOT });
    assert.equal(phaseOf(story.state), "ready");
    story.changed();
    story.loaded();
    assert.equal(story.state.fallback, null);
  });

  it("takes over what an earlier daemon started, and trusts it to load again", () => {
    const zygote = { uid: uidOf(9), generation: 1 };
    story.happens({ kind: "found", zygote });
    assert.deepEqual(story.loading, zygote.uid);
    story.loaded();
    assert.equal(story.serving, zygote.uid);
    assert.deepEqual(
      story.happens({ kind: "found", zygote: { uid: uidOf(8), generation: 1 } }),
      [],
    );
    assert.equal(story.serving, zygote.uid);
  });

  it("has neither zygotes nor duties when it is deleted", () => {
    story.wanted();
    story.loaded();
    const former = story.serving;
    story.changed();
    const newer = story.loading;
    assert.deepEqual(story.happens({ kind: "deleted" }), [
      { kind: "end", uid: former },
      { kind: "end", uid: newer },
    ]);
    assert.deepEqual(story.state, idle(2));
    assert.deepEqual(story.retryDue(), []);
  });
});

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
    if (phase === "failed") assert.equal(state.failure?.generation, state.newest);
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

import assert from "node:assert/strict";
import { idle, isSettled, phaseOf } from "../../../server/templates/template-state.js";
import { uidOf } from "../processes/fixture.js";
import { CANNOT, REPORT } from "./fixture.js";
import { FAILURE, Story } from "./story.js";

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
    assert.equal(story.servingGeneration, 2);
  });

  it("serves on when the newer generation fails, and says that it did", () => {
    story.wanted();
    story.loaded();
    const former = story.serving;
    story.changed();
    assert.deepEqual(story.failed(), [], "nobody is refused");
    assert.equal(story.serving, former);
    assert.equal(story.failedGeneration, 2);
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
    assert.equal(story.loadingGeneration, 2);
  });

  it("waits for the newer generation when the one that serves dies", () => {
    story.wanted();
    story.loaded();
    story.changed();
    const newer = story.loading;
    assert.deepEqual(story.died(), []);
    assert.equal(story.loading, newer);
    story.loaded();
    assert.equal(story.servingGeneration, 2);
  });

  it("goes back to the generation that has served when the newer one fails and nothing serves", () => {
    story.wanted();
    story.loaded();
    story.changed();
    story.died();
    assert.deepEqual(story.failed(), [{ kind: "retry-in", delayMs: 0 }], "nobody is refused");
    assert.equal(phaseOf(story.state), "starting");
    story.retryDue();
    assert.equal(story.loadingGeneration, 1);
    story.loaded();
    assert.equal(story.servingGeneration, 1);
    assert.equal(story.failedGeneration, 2, "and says why it is not the newest");
    assert.equal(isSettled(story.state), true);
    story.died();
    story.retryDue();
    assert.equal(story.loadingGeneration, 1, "as often as it dies");
    story.failed();
    assert.equal(story.failedGeneration, 2);
    story.retryDue();
    assert.equal(story.loadingGeneration, 1);
    story.changed();
    assert.equal(story.loadingGeneration, 3, "until it is changed");
    assert.equal(story.state.failure, null);
  });

  it("takes over a former generation, and tries the newest beside it", () => {
    story.state = idle(2, 1);
    story.happens({ kind: "found", zygote: { uid: uidOf(9), generation: 1 } });
    assert.deepEqual(story.loaded(), [{ kind: "serve" }, { kind: "retry-in", delayMs: 0 }]);
    assert.equal(story.servingGeneration, 1);
    assert.equal(isSettled(story.state), false);
    story.retryDue();
    assert.equal(story.loadingGeneration, 2);
    assert.deepEqual(story.failed(), []);
    assert.equal(story.servingGeneration, 1);
    assert.equal(isSettled(story.state), true);
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

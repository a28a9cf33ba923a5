import assert from "node:assert/strict";
import { Births } from "../../../server/processes/births.js";
import type { BirthOrder } from "../../../server/processes/keeper.js";
import { spawnOrderOf, uidOf } from "./fixture.js";

const UID = uidOf(1);
const ORDER: BirthOrder = spawnOrderOf(UID);

describe("births", () => {
  it("have an order when it was given, and wait for it until then", () => {
    const births = new Births();
    assert.equal(births.awaitsOrder(UID), false);
    births.begin(UID);
    assert.equal(births.awaitsOrder(UID), true);
    assert.equal(births.orderOf(UID), undefined);
    births.ordered(ORDER);
    assert.equal(births.awaitsOrder(UID), false);
    assert.equal(births.orderOf(UID), ORDER);
    births.succeed(UID);
    assert.equal(births.orderOf(UID), undefined);
  });

  it("of an earlier daemon have no order that could be repeated, and wait for none", () => {
    const births = new Births();
    births.resume(UID);
    assert.equal(births.awaitsOrder(UID), false);
    assert.equal(births.orderOf(UID), undefined);
  });

  it("begin with nothing ordered for what is not being born", () => {
    const births = new Births();
    births.ordered(ORDER);
    assert.equal(births.orderOf(UID), undefined);
  });

  it("settle for everyone who waits, also across the order, and at once afterwards", async () => {
    const births = new Births();
    await births.settled(UID);
    births.begin(UID);
    const before = births.settled(UID);
    births.ordered(ORDER);
    const after = births.settled(UID);
    births.succeed(UID);
    await Promise.all([before, after, births.settled(UID)]);
  });

  it("fail for everyone who waits, and harm nobody who does not", async () => {
    const births = new Births();
    births.begin(UID);
    const waiting = births.settled(UID);
    births.fail(UID, new Error("no such program"));
    await assert.rejects(waiting, /no such program/);
    await births.settled(UID);
    births.begin(UID);
    births.fail(UID, new Error("nobody waits"));
    births.fail(UID, new Error("again"));
  });
});

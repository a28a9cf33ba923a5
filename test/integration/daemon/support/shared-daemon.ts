import assert from "node:assert/strict";
import { DaemonHarness, type HarnessOptions } from "../../../support/daemon-harness.js";

/**
 * One daemon for all tests of a `describe` that only add workers to it, for a start takes a second.
 * Tests that stop, kill or fill a daemon start their own.
 */
export function sharedDaemon(options: HarnessOptions = {}): () => DaemonHarness {
  let daemon: DaemonHarness | undefined;
  before(async () => {
    daemon = await DaemonHarness.start(options);
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
  });
  return () => {
    assert.ok(daemon);
    return daemon;
  };
}

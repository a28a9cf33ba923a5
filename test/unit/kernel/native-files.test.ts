import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { nativeFile } from "../../../server/kernel/native-files.js";

describe("native files", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "forkbus-native-"));
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  function make(path: string): string {
    const whole = join(root, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, "");
    return whole;
  }

  it("are those that the package brings for this platform", () => {
    make("dist/prebuilds/linux-arm64/forkbus-keeper");
    const brought = make("dist/prebuilds/linux-x64/forkbus-keeper");
    assert.equal(nativeFile("forkbus-keeper", { root, platform: "linux-x64" }), brought);
  });

  it("are those that were built here, where there are some", () => {
    make("dist/prebuilds/linux-x64/forkbus.node");
    const built = make("dist/native/forkbus.node");
    assert.equal(nativeFile("forkbus.node", { root, platform: "linux-x64" }), built);
  });

  it("can be built where there are none for the platform, and the error says how", () => {
    make("dist/prebuilds/linux-x64/forkbus-keeper");
    assert.throws(
      () => nativeFile("forkbus-keeper", { root, platform: "linux-riscv64" }),
      /^Error: There is no forkbus-keeper for linux-riscv64 in .*: run forkbus build-native/,
    );
  });

  it("are for Linux alone", () => {
    assert.throws(
      () => nativeFile("forkbus-keeper", { root, platform: "darwin-arm64" }),
      /^Error: The daemon needs Linux, and this is darwin-arm64: only clients run here$/,
    );
  });
});

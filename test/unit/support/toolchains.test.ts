import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whatIsMissing } from "../../polyglot/support/toolchains.js";

describe("what a language lacks", () => {
  const lack = (probe: string, atLeast?: string): string | undefined =>
    whatIsMissing([{ name: "tool", probe, ...(atLeast === undefined ? {} : { atLeast }) }]);

  it("is the first tool that is not there", () => {
    assert.equal(lack("true"), undefined);
    assert.equal(lack("forkbus-no-such-tool --version"), "tool is not installed");
  });

  it("is a tool that is too old, by number and not by letter", () => {
    assert.equal(lack("echo go version go1.25 linux/amd64", "1.25"), undefined);
    assert.equal(lack("echo tool 1.100.2", "1.88"), undefined);
    assert.equal(lack("echo tool 2", "1.88"), undefined);
    assert.equal(lack("echo tool 1.9.3", "1.88"), "tool 1.9.3 is older than 1.88");
    assert.equal(lack("echo tool 17", "17.0.1"), "tool 17 is older than 17.0.1");
    assert.equal(lack("printf '\\033[1mTool 3.6.3\\033[m'", "3.8"), "tool 3.6.3 is older than 3.8");
  });

  it("does not depend on what a person's shell does at login", () => {
    const home = mkdtempSync(join(tmpdir(), "forkbus-home-"));
    writeFileSync(join(home, ".bashrc"), "echo 99\n");
    const { HOME, SHLVL } = process.env;
    try {
      Object.assign(process.env, { HOME: home, SHLVL: "0" });
      assert.equal(lack("echo tool 1.2", "1.3"), "tool 1.2 is older than 1.3");
    } finally {
      delete process.env["HOME"];
      delete process.env["SHLVL"];
      Object.assign(process.env, { ...(HOME && { HOME }), ...(SHLVL && { SHLVL }) });
      rmSync(home, { recursive: true });
    }
  });
});

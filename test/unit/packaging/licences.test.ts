import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDependencies } from "../../../packaging/dependencies.js";
import { isAllowed } from "../../../packaging/licences.js";
import { renderThirdParty } from "../../../packaging/third-party.js";
import { packageRoot } from "../../../server/kernel/package-root.js";

describe("licences of dependencies", () => {
  it("are allowed one by one", () => {
    for (const licence of ["MIT", "ISC", "Apache-2.0", "(MIT)"]) assert.ok(isAllowed(licence));
    for (const licence of ["GPL-3.0-only", "SEE LICENSE IN FILE", "UNLICENSED", "", "mit"]) {
      assert.ok(!isAllowed(licence), licence);
    }
  });

  it("are allowed together when each is, and as a choice when one is", () => {
    assert.ok(isAllowed("(Apache-2.0 AND BSD-3-Clause)"));
    assert.ok(!isAllowed("MIT AND GPL-2.0-only"));
    assert.ok(isAllowed("(GPL-2.0-only OR MIT)"));
    assert.ok(!isAllowed("GPL-2.0-only OR AGPL-3.0-only"));
    assert.ok(!isAllowed("MIT OR (GPL-2.0-only AND ISC)"));
    assert.ok(isAllowed("MIT OR (BSD-2-Clause AND ISC)"));
  });
});

describe("the list of dependencies", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "forkbus-licences-"));
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  /** Installs packages of these names, each with what the lock says of it and what its manifest adds. */
  function installed(
    packages: Readonly<Record<string, { lock?: object; manifest?: object }>>,
  ): void {
    const entries = Object.entries(packages).map(([name, { lock }]): [string, object] => [
      `node_modules/${name}`,
      lock ?? {},
    ]);
    const lock = { packages: { "": {}, ...Object.fromEntries(entries) } };
    writeFileSync(join(root, "package-lock.json"), JSON.stringify(lock));
    for (const [name, { manifest }] of Object.entries(packages)) {
      const directory = join(root, "node_modules", name);
      mkdirSync(directory, { recursive: true });
      const whole = { name, version: "1.0.0", license: "MIT", ...manifest };
      writeFileSync(join(directory, "package.json"), JSON.stringify(whole));
      writeFileSync(join(directory, "LICENSE"), "the same\r\ntext  \r\n");
    }
  }

  it("leaves out what only development needs", () => {
    installed({ b: {}, a: {}, tool: { lock: { dev: true }, manifest: { license: "GPL-3.0" } } });
    const names = readDependencies(root).map(({ name }) => name);
    assert.deepEqual(names, ["a", "b"]);
  });

  it("refuses a licence that is not in the list, and a package without one", () => {
    installed({ a: {}, b: { manifest: { license: "GPL-3.0-only" } } });
    assert.throws(() => readDependencies(root), /^Error: b 1\.0\.0 has the licence GPL-3\.0-only/);
    installed({ a: {}, b: { manifest: { license: undefined } } });
    assert.throws(() => readDependencies(root), /No licence is named in .*node_modules\/b$/);
  });

  it("shows a text that several share once", () => {
    installed({ a: {}, b: {} });
    const text = renderThirdParty([], readDependencies(root));
    assert.match(text, /^\| a \| 1\.0\.0 \| MIT \|$/m);
    assert.match(text, /### a 1\.0\.0, b 1\.0\.0\n\n```text\nthe same\ntext\n```/);
    assert.equal(text.split("the same").length, 2);
  });

  it("is what this package depends on, with what that depends on", () => {
    const names = readDependencies(packageRoot).map(({ name }) => name);
    assert.ok(names.includes("@grpc/grpc-js") && names.includes("yargs"));
    assert.ok(!names.includes("mocha") && !names.includes("typescript"));
  });
});

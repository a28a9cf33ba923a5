import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";
import { type Installed, installGlobally, pack } from "./support/packed.js";

/** What may be in the package, and why it is there. */
const BELONGS: readonly RegExp[] = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|THIRD_PARTY\.md)$/,
  /^licenses\/[\w.-]+\.txt$/,
  /^docs\/[A-Z-]+\.md$/,
  /^deploy\/(README\.md|Containerfile|container-entrypoint|systemd\/forkbus[\w.-]*(\/\w+\.conf)?)$/,
  /^examples\/hello-multiprocessing\.ts$/,
  /^proto\/(forkbus\/v1\/\w+\.proto|gen\/\w+\.binpb)$/,
  // What runs, and its maps for readable stack traces.
  /^dist\/(cli|client|proto|server|wire)\/[\w/-]+\.js(\.map)?$/,
  /^dist\/server\/zygotes\/python\/(main|_forkbus_zygote\/\w+)\.py$/,
  // The types of what can be imported, and of what those mention.
  /^dist\/(client|proto|wire)\/[\w/-]+\.d\.ts$/,
  /^dist\/prebuilds\/linux-(x64|arm64)\/(forkbus-keeper|forkbus\.node|forkbus-fork\.so|forkbus-zygote-\d+\.node|c-library-copyright\.txt)$/,
  // For builds on other hosts.
  /^dist\/node-api-headers\/\w+\.h$/,
  /^server\/native\/(keeper|addon|fork|zygote-addon)\/([\w-]+\.(c|cc|h)|Makefile)$/,
];

const prebuilds = `dist/prebuilds/${process.platform}-${process.arch}`;

/** Of elf(5). */
const [PT_LOAD, PT_DYNAMIC, PT_INTERP] = [1, 2, 3];

/** Node-API, what glibc and musl both have, and what may be missing. */
const IN_EVERY_C_LIBRARY =
  /^(napi_\w+ U|(__errno_location|fcntl|getsockopt|snprintf|strerror)(@GLIBC_2\.(2\.5|17))? U|[\w@.]+ w)/;

function programHeaderTypes(elf: Buffer): readonly number[] {
  const start = Number(elf.readBigUInt64LE(0x20));
  const size = elf.readUInt16LE(0x36);
  const count = elf.readUInt16LE(0x38);
  return Array.from({ length: count }, (_none, index) => elf.readUInt32LE(start + index * size));
}

function sourceOf(file: string): string {
  return file.replace(/^dist\//, "").replace(/(\.js|\.js\.map|\.d\.ts)$/, ".ts");
}

describe("the package", () => {
  it("holds what belongs in it, and nothing else", async () => {
    const { files } = await pack();
    const strange = files.filter(({ path }) => !BELONGS.some((pattern) => pattern.test(path)));
    assert.deepEqual(strange, []);
    for (const pattern of BELONGS) {
      assert.ok(
        files.some(({ path }) => pattern.test(path)),
        String(pattern),
      );
    }
  });

  it("holds nothing whose source has gone", async () => {
    const { files } = await pack();
    const compiled = files.map(({ path }) => path).filter((path) => /\.(js|map|d\.ts)$/.test(path));
    assert.ok(compiled.length > 100);
    const orphans = compiled.filter((path) => !existsSync(join(packageRoot, sourceOf(path))));
    assert.deepEqual(orphans, []);
  });

  it("brings every page of documentation that the README links", async () => {
    const { files } = await pack();
    const paths = new Set(files.map(({ path }) => path));
    const readme = readFileSync(join(packageRoot, "README.md"), "utf8");
    const links = [...readme.matchAll(/\]\((docs\/[^)#]+)/g)].map(([, path = ""]) => path);
    assert.ok(links.length > 3);
    for (const link of links) assert.ok(paths.has(link), link);
  });

  it("lets everybody execute what is to be executed", async () => {
    const { files } = await pack();
    const modes = new Map(files.map(({ path, mode }) => [path, mode & 0o777]));
    assert.equal(modes.get(`${prebuilds}/forkbus-keeper`), 0o755);
    assert.equal(modes.get("dist/cli/main.js"), 0o755);
    for (const [path, mode] of modes) assert.equal(mode & 0o444, 0o444, path);
  });

  describe("as installed", () => {
    let installed: Installed;
    let files: readonly string[];

    before(async function () {
      installed = await installGlobally(this);
      files = readdirSync(installed.root, { recursive: true, encoding: "utf8" })
        .filter((path) => !path.startsWith("node_modules"))
        .filter((path) => statSync(join(installed.root, path)).isFile());
    });

    function read(path: string): Buffer {
      return readFileSync(join(installed.root, path));
    }

    it("is what was packed: installing makes nothing", async () => {
      const packed = (await pack()).files.map(({ path }) => path);
      assert.deepEqual([...files].sort(), [...packed].sort());
    });

    it("names no directory of the host that it was made on", () => {
      const telling = files.filter((path) => read(path).includes(packageRoot));
      assert.deepEqual(telling, []);
    });

    it("brings a keeper that needs no C library of the host", () => {
      const types = programHeaderTypes(read(`${prebuilds}/forkbus-keeper`));
      assert.ok(types.includes(PT_LOAD));
      assert.ok(!types.includes(PT_INTERP) && !types.includes(PT_DYNAMIC));
    });

    it("brings an addon that asks only for what every C library has", () => {
      const path = join(installed.root, prebuilds, "forkbus.node");
      const args = ["--dynamic", "--undefined-only", "--format=posix", path];
      const symbols = execFileSync("nm", args, { encoding: "utf8" }).trim().split("\n");
      assert.ok(symbols.length > 10);
      const strange = symbols.filter((symbol) => !IN_EVERY_C_LIBRARY.test(symbol));
      assert.deepEqual(strange, []);
    });

    it("maps to sources that it brings along", () => {
      for (const path of files.filter((each) => each.endsWith(".map"))) {
        const map: unknown = JSON.parse(read(path).toString());
        assert.ok(typeof map === "object" && map !== null && "sources" in map, path);
        assert.ok("sourcesContent" in map && Array.isArray(map.sourcesContent), path);
        assert.ok(Array.isArray(map.sources) && map.sources.length === map.sourcesContent.length);
        for (const source of map.sources) assert.match(String(source), /^(\.\.\/)+[\w/.-]+\.ts$/);
      }
    });

    it("points to no map that it does not bring", () => {
      for (const path of files.filter((each) => /\.(js|d\.ts)$/.test(each))) {
        const [, map] = /^\/\/# sourceMappingURL=(.+)$/m.exec(read(path).toString()) ?? [];
        if (map !== undefined) assert.ok(files.includes(join(path, "..", map)), path);
      }
    });

    it("names the licence of everything that it depends on", () => {
      const text = read("THIRD_PARTY.md").toString();
      const manifest: unknown = JSON.parse(read("package.json").toString());
      assert.ok(typeof manifest === "object" && manifest !== null && "dependencies" in manifest);
      const { dependencies } = manifest;
      assert.ok(typeof dependencies === "object" && dependencies !== null);
      for (const [name, version] of Object.entries(dependencies)) {
        assert.match(text, new RegExp(`^\\| ${name} \\| ${String(version)} \\| \\S`, "m"));
      }
      assert.match(text, /C Library/);
    });
  });
});

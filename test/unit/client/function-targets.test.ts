import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { type CallerPlace, callerPlace } from "../../../client/typescript/caller-place.js";
import { checkProcessOptions } from "../../../client/typescript/known-options.js";
import { decodeValue, encodeValues } from "../../../client/typescript/payload.js";
import { type ProcessOptions, processMessage } from "../../../client/typescript/process-options.js";
import { StartMethod } from "../../../proto/gen/forkbus/v1/process.js";

const here: CallerPlace = { path: (path) => `/here/${path}`, modulePath: ["/here/app"] };

function specOf(options: ProcessOptions) {
  const { spec } = processMessage(options, here);
  assert.ok(spec);
  return spec;
}

function functionOf(options: ProcessOptions) {
  const { target } = specOf(options);
  assert.ok(target?.$case === "python" || target?.$case === "node");
  const { arguments: given, ...rest } = target.value ?? {};
  const data = Buffer.from(given?.data ?? []).toString();
  return { ...rest, $case: target.$case, data, encoding: given?.encoding };
}

describe("What is asked for a function", () => {
  it("is its name, its arguments as JSON, and the caller's own directory to find it in", () => {
    assert.deepEqual(functionOf({ python: "images:resize", args: ["a.png", 200] }), {
      $case: "python",
      function: "images:resize",
      data: '["a.png",200]',
      encoding: "json",
      resultEncoding: "",
      modulePath: ["/here/app"],
      mainFile: "",
    });
    const target = functionOf({ python: "m:f", modulePath: ["lib"], mainFile: "main.py" });
    assert.deepEqual(target.modulePath, ["/here/lib"]);
    assert.equal(target.mainFile, "/here/main.py");
    assert.equal(target.data, "");
  });

  it("has keyword arguments, or a payload, in place of positional arguments", () => {
    assert.equal(functionOf({ python: "m:f", kwargs: { width: 2 } }).data, '{"width":2}');
    const payload = { data: Buffer.from("abc"), encoding: "raw" };
    const target = functionOf({ node: "./m.js#f", payload, resultEncoding: "json" });
    assert.equal(target.data, "abc");
    assert.equal(target.encoding, "raw");
    assert.equal(target.resultEncoding, "json");
    assert.throws(() => functionOf({ python: "m:f", args: [1], kwargs: { a: 1 } }), TypeError);
  });

  it("takes the URL of a file with the export behind the hash", () => {
    const url = new URL("./my%20jobs.js#resize", "file:///srv/app/main.js");
    assert.equal(functionOf({ node: url }).function, "/srv/app/my jobs.js#resize");
    assert.equal(functionOf({ node: new URL("file:///a.js") }).function, "/a.js");
  });

  it("says the method, the template and the process to fork from, by name or by handle", () => {
    const spec = specOf({ python: "m:f", method: "spawn", template: { name: "numpy" } });
    assert.equal(spec.startMethod, StartMethod.SPAWN);
    assert.equal(spec.template, "numpy");
    const forked = specOf({ node: "m", forkFrom: "loaded" });
    assert.equal(forked.startMethod, StartMethod.UNSPECIFIED);
    assert.equal(forked.forkFrom, "loaded");
  });

  it("is one thing, and has no option that there is not: both are slips of JavaScript", () => {
    const slips: readonly (readonly [object, string])[] = [
      [{ python: "m:f", node: "m#f" }, "A process runs one thing, got python and node"],
      [{ argv: ["ls"], python: "m:f" }, "A process runs one thing, got argv and python"],
      [{ python: "m:f", agrs: [1] }, "A python function has no option agrs"],
      [{ node: "m#f", kwargs: { a: 1 } }, "A node function has no option kwargs"],
      [{ node: "m#f", path: "/bin/ls" }, "A node function has no option path"],
      [{ argv: ["ls"], template: "t", args: [] }, "A program has no option template and args"],
    ];
    for (const [options, message] of slips) {
      assert.throws(
        () => {
          checkProcessOptions({ ...options });
        },
        { name: "TypeError", message },
      );
    }
    checkProcessOptions({ argv: ["ls"], ...{ agrs: undefined } });
  });

  it("says the limits of the tree, for programs too", () => {
    const limits = { memoryMaxBytes: 512 << 20, pidsMax: 16, cpuMaxMilli: 1500, bestEffort: true };
    assert.deepEqual(specOf({ argv: ["make"], limits }).limits, {
      rlimits: [],
      memoryMaxBytes: BigInt(512 << 20),
      memoryHighBytes: 0n,
      pidsMax: 16,
      cpuWeight: 0,
      cpuMaxMilli: 1500,
      bestEffort: true,
    });
  });
});

describe("The directory of functions by default", () => {
  it("is that of the main file of this program, when the daemon sees the same files", () => {
    const main = process.argv[1];
    const self = fileURLToPath(import.meta.url);
    try {
      process.argv[1] = self;
      assert.deepEqual(callerPlace("unix:/run/f.sock").modulePath, [dirname(self)]);
      process.argv[1] = dirname(self);
      assert.deepEqual(callerPlace("unix:/run/f.sock").modulePath, [dirname(self)]);
      process.argv[1] = "/no/such/directory/main";
      assert.deepEqual(callerPlace("unix:/run/f.sock").modulePath, ["/no/such/directory"]);
      assert.deepEqual(callerPlace("tcp://far:1").modulePath, []);
      assert.equal(callerPlace("tcp://far:1").path("lib"), "lib");
    } finally {
      if (main === undefined) process.argv.splice(1, 1);
      else process.argv[1] = main;
    }
  });
});

describe("Arguments as JSON", () => {
  const decoded = (values: readonly unknown[]): unknown =>
    decodeValue({ data: encodeValues(values), encoding: "json" });

  it("come out as they went in, whatever JSON can say", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ noUnicodeString: false })), (values) => {
        // JSON has no minus zero.
        assert.deepEqual(decoded(values), JSON.parse(JSON.stringify(values)));
      }),
    );
  });

  it("leave out members that are undefined, and write dates as their toJSON does", () => {
    const date = new Date(0);
    assert.deepEqual(decoded([{ a: undefined, b: 1 }, date]), [{ b: 1 }, date.toISOString()]);
  });

  it("are refused where JSON would say something else", () => {
    const refused = [
      [1n, /bigint/],
      [NaN, /NaN/],
      [Infinity, /Infinity/],
      [undefined, /undefined/],
      [() => 1, /function/],
      [Symbol("x"), /symbol/],
      [new Uint8Array(1), /bytes/],
      [Buffer.from("x"), /bytes/],
      [new Map(), /Map/],
      [new Set(), /Set/],
    ] as const;
    for (const [value, message] of refused) {
      assert.throws(() => encodeValues([value]), { name: "TypeError", message });
      assert.throws(() => encodeValues({ deep: [[value]] }), { name: "TypeError", message });
    }
  });
});

describe("A value that was returned", () => {
  it("is what JSON says, or bytes; another encoding is for those who know it", () => {
    const data = Buffer.from("[1,null]");
    assert.deepEqual(decodeValue({ data, encoding: "json" }), [1, null]);
    assert.deepEqual(decodeValue({ data, encoding: "raw" }), data);
    assert.throws(() => decodeValue({ data, encoding: "pickle" }), /pickle.*resultPayload/);
  });
});

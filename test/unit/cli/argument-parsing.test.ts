import assert from "node:assert/strict";
import fc from "fast-check";
import { parseCpuChoice } from "../../../cli/parse/cpu-choice.js";
import { parseDurationMs } from "../../../cli/parse/duration.js";
import { parseEnvironment } from "../../../cli/parse/environment-entry.js";
import { parseLabels } from "../../../cli/parse/label.js";
import { parseStates } from "../../../cli/parse/process-state.js";
import { parseResourceLimit } from "../../../cli/parse/resource-limit.js";
import { parseBytes, parseUmask, parseWholeNumber } from "../../../cli/parse/whole-number.js";
import { humanCpuList } from "../../../cli/output/human.js";
import { UsageError } from "../../../cli/usage-error.js";
import { ProcessState } from "../../../proto/gen/forkbus/v1/process.js";

describe("--cpus", () => {
  it("takes a number for so many CPUs, and 0 for not pinned", () => {
    assert.deepEqual(parseCpuChoice("1"), { kind: "count", count: 1 });
    assert.deepEqual(parseCpuChoice("16"), { kind: "count", count: 16 });
    assert.deepEqual(parseCpuChoice("0"), { kind: "unpinned" });
  });

  it("takes a list for exactly these CPUs", () => {
    assert.deepEqual(parseCpuChoice("0,2-3"), { kind: "list", cpus: [0, 2, 3] });
    assert.deepEqual(parseCpuChoice("1-1"), { kind: "list", cpus: [1] });
    assert.deepEqual(parseCpuChoice("1,"), { kind: "list", cpus: [1] });
    assert.deepEqual(parseCpuChoice("10,9,9-11"), { kind: "list", cpus: [9, 10, 11] });
  });

  it("refuses what is neither, and names it", () => {
    for (const text of [
      "",
      "all",
      "-1",
      ",",
      "1,,2",
      "3-1",
      "1-2-3",
      "1.5",
      "99999",
      "0-99999",
      " 1",
    ]) {
      assert.throws(() => parseCpuChoice(text), UsageError, text);
    }
    assert.throws(() => parseCpuChoice("x"), /"x"/);
  });

  it("reads back every list that the tables show", () => {
    const cpus = fc.uniqueArray(fc.nat(300), { minLength: 1 });
    fc.assert(
      fc.property(cpus, (numbers) => {
        const text = humanCpuList(numbers);
        assert.deepEqual(parseCpuChoice(/[,-]/.test(text) ? text : `${text},`), {
          kind: "list",
          cpus: [...numbers].sort((a, b) => a - b),
        });
      }),
    );
  });
});

describe("--env", () => {
  it("takes values as they are, also empty ones and those with an equals sign", () => {
    assert.deepEqual(parseEnvironment(["A=1", "B=", "C=x=y"], {}), { A: "1", B: "", C: "x=y" });
  });

  it("takes a bare name from here, and leaves it out where it is not set", () => {
    assert.deepEqual(parseEnvironment(["HOME", "NOWHERE"], { HOME: "/root" }), { HOME: "/root" });
  });

  it("lets the last one of a name win", () => {
    assert.deepEqual(parseEnvironment(["A=1", "A=2"], {}), { A: "2" });
  });

  it("keeps names that mean something to JavaScript", () => {
    assert.deepEqual(Object.entries(parseEnvironment(["__proto__=1"], {})), [["__proto__", "1"]]);
  });

  it("refuses a value without a name", () => {
    assert.throws(() => parseEnvironment(["=1"], {}), UsageError);
    assert.throws(() => parseEnvironment([""], {}), UsageError);
  });
});

describe("--label", () => {
  it("takes keys with values and keys alone", () => {
    assert.deepEqual(parseLabels(["team=a", "urgent=", "team=b"]), { team: "b", urgent: "" });
    assert.throws(() => parseLabels(["=x"]), UsageError);
    assert.throws(() => parseLabels(["urgent"]), UsageError);
  });
});

describe("--rlimit", () => {
  it("sets both limits from one number, and each from two", () => {
    assert.deepEqual(parseResourceLimit("nofile=1024"), {
      resource: "RLIMIT_NOFILE",
      soft: 1024n,
      hard: 1024n,
    });
    assert.deepEqual(parseResourceLimit("RLIMIT_CPU=1:2"), {
      resource: "RLIMIT_CPU",
      soft: 1n,
      hard: 2n,
    });
  });

  it("knows unlimited", () => {
    assert.deepEqual(parseResourceLimit("core=unlimited"), {
      resource: "RLIMIT_CORE",
      soft: undefined,
      hard: undefined,
    });
    assert.deepEqual(parseResourceLimit("as=1:unlimited"), {
      resource: "RLIMIT_AS",
      soft: 1n,
      hard: undefined,
    });
  });

  it("refuses limits that the kernel would", () => {
    for (const text of ["nofile", "nofile=", "nofile=x", "nofile=2:1", "files=1", "nofile=1:2:3"]) {
      assert.throws(() => parseResourceLimit(text), UsageError, text);
    }
    assert.throws(() => parseResourceLimit("nofile=unlimited:5"), UsageError);
    assert.throws(() => parseResourceLimit("nofile=99999999999999999999"), UsageError);
  });
});

describe("durations", () => {
  it("are seconds unless a unit says otherwise", () => {
    assert.equal(parseDurationMs("--grace", "10"), 10_000);
    assert.equal(parseDurationMs("--grace", "0"), 0);
    assert.equal(parseDurationMs("--grace", "1.5s"), 1500);
    assert.equal(parseDurationMs("--grace", "250ms"), 250);
    assert.equal(parseDurationMs("--grace", "2m"), 120_000);
    assert.equal(parseDurationMs("--grace", "1h"), 3_600_000);
    assert.equal(parseDurationMs("--grace", "1d"), 86_400_000);
  });

  it("are refused with the option's name when they are none, or too long for the wire", () => {
    for (const text of ["", "-1", "s", "1 s", "1w", "50d", "1e3"]) {
      assert.throws(() => parseDurationMs("--grace", text), /^UsageError: --grace/, text);
    }
  });
});

describe("numbers", () => {
  it("are whole and within their bounds", () => {
    assert.equal(parseWholeNumber("-n", "7", 0, 10), 7);
    for (const text of ["11", "-1", "1.5", "", "x"]) {
      assert.throws(() => parseWholeNumber("-n", text, 0, 10), UsageError, text);
    }
  });

  it("of bytes may have a binary unit", () => {
    const parse = (text: string): bigint => parseBytes("--max-bytes", text, 1n, 1n << 40n);
    assert.equal(parse("4096"), 4096n);
    assert.equal(parse("64K"), 65_536n);
    assert.equal(parse("1MiB"), 1n << 20n);
    assert.equal(parse("2gb"), 2n << 30n);
    for (const text of ["", "1.5M", "M", "1X"]) {
      assert.throws(() => parse(text), UsageError, text);
    }
  });

  it("of bytes out of bounds name the option and the bounds", () => {
    const parse = (text: string): bigint => parseBytes("--max-bytes", text, 1n, 256n << 20n);
    assert.equal(parse("256MiB"), 256n << 20n);
    assert.throws(() => parse("5GiB"), {
      name: "UsageError",
      message: '--max-bytes takes from 1 to 256MiB, got "5GiB"',
    });
    assert.throws(() => parse("0"), UsageError);
  });

  it("of a umask are octal", () => {
    assert.equal(parseUmask("022"), 0o22);
    assert.equal(parseUmask("0777"), 0o777);
    assert.equal(parseUmask("7"), 7);
    for (const text of ["", "8", "1000", "0o22", "-1"]) {
      assert.throws(() => parseUmask(text), UsageError, text);
    }
  });
});

describe("--state", () => {
  it("takes names in any case", () => {
    assert.deepEqual(parseStates(["running", "LOST"]), [ProcessState.RUNNING, ProcessState.LOST]);
    assert.throws(() => parseStates(["dead"]), /starting, running/);
    assert.throws(() => parseStates(["constructor"]), UsageError);
  });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { enumName } from "../../../cli/output/enum-name.js";
import { escapeText, quoteCommand } from "../../../cli/output/escape.js";
import { humanBytes, humanCpuList, humanDuration } from "../../../cli/output/human.js";
import { localTime, rfc3339 } from "../../../cli/output/instant.js";
import { bytesJson } from "../../../cli/output/item-json.js";
import { jsonDocument, jsonLine } from "../../../cli/output/json.js";
import { paintForTerminal, paintNothing, wantsColour } from "../../../cli/output/style.js";
import { type Column, renderTable } from "../../../cli/output/table.js";
import { ProcessState } from "../../../proto/gen/forkbus/v1/process.js";

interface Row {
  readonly name: string;
  readonly count: number;
}

const columns: readonly Column<Row>[] = [
  { title: "NAME", text: (row) => row.name },
  { title: "N", align: "right", text: (row) => row.count.toString() },
  { title: "LAST", text: (row) => row.name.repeat(3) },
];

describe("a table", () => {
  it("lines its columns up and has no spaces at the ends of lines", () => {
    const rows = [
      { name: "a", count: 1 },
      { name: "longer", count: 1000 },
    ];
    assert.equal(
      renderTable(columns, rows, paintNothing),
      ["NAME       N  LAST", "a          1  aaa", "longer  1000  longerlongerlonger", ""].join(
        "\n",
      ),
    );
  });

  it("shows a dash where there is nothing", () => {
    const table = renderTable(columns, [{ name: "", count: 0 }], paintNothing);
    assert.equal(table, "NAME  N  LAST\n-     0  -\n");
  });

  it("cuts only the last column, and only to a terminal's width", () => {
    const rows = [{ name: "abcdefgh", count: 1 }];
    const [, line] = renderTable(columns, rows, paintNothing, 30).split("\n");
    assert.equal(line, "abcdefgh  1  abcdefghabcdefgh…");
  });

  it("has one line for each row, whatever is in it", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 5 }), (names) => {
        const rows = names.map((name) => ({ name, count: 1 }));
        const lines = renderTable(columns, rows, paintNothing).split("\n");
        assert.equal(lines.length, rows.length + 2);
      }),
    );
  });

  it("lines up in colours as it does without", () => {
    const coloured = columns.map((column) => ({ ...column, style: () => "good" as const }));
    const rows = [
      { name: "a", count: 1 },
      { name: "bb", count: 22 },
    ];
    const painted = renderTable(coloured, rows, paintForTerminal);
    const plain = painted.replace(/\u001b\[\d+m/g, "");
    assert.notEqual(painted, plain);
    assert.equal(plain, renderTable(columns, rows, paintNothing));
  });
});

describe("escaping", () => {
  it("writes out what a terminal would obey", () => {
    assert.equal(
      escapeText("a\u001b[31mb\r\n\t\u007f\u009b\u202e"),
      "a\\x1b[31mb\\r\\n\\t\\x7f\\x9b\\u202e",
    );
  });

  it("leaves the letters of all languages alone", () => {
    assert.equal(escapeText("größe 名前 👍"), "größe 名前 👍");
  });

  it("leaves nothing that a terminal would obey", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.doesNotMatch(escapeText(text), /[\p{Cc}\u2028-\u202e]/u);
      }),
    );
  });

  it("shows a command as it could be typed", () => {
    assert.equal(
      quoteCommand(["sh", "-c", "echo 'hi' $X", "", "a\nb"]),
      `sh -c 'echo '\\''hi'\\'' $X' '' $'a\\nb'`,
    );
  });
});

describe("JSON", () => {
  it("keeps integers of any size and leaves out what is not there", () => {
    const value = {
      a: 18_446_744_073_709_551_615n,
      b: undefined,
      c: [1, "x", null, true],
      d: {},
      e: [],
    };
    assert.equal(
      jsonLine(value),
      '{"a":18446744073709551615,"c":[1,"x",null,true],"d":{},"e":[]}\n',
    );
  });

  it("is what JSON.parse reads back", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        for (const write of [jsonLine, jsonDocument]) {
          assert.equal(JSON.stringify(JSON.parse(write(toJson(JSON.parse(text))))), text);
        }
      }),
    );
  });

  it("indents a document and ends it with a newline", () => {
    assert.equal(jsonDocument([{ a: 1 }]), '[\n  {\n    "a": 1\n  }\n]\n');
  });

  it("gives bytes as text only where they are text", () => {
    assert.deepEqual(bytesJson(Buffer.from("größe")), { text: "größe" });
    assert.deepEqual(bytesJson(Uint8Array.of(0xff, 0x00)), { base64: "/wA=" });
    assert.deepEqual(bytesJson(Buffer.from("größe").subarray(0, 3)), { base64: "Z3LD" });
  });
});

describe("numbers for people", () => {
  it("show bytes in binary units", () => {
    assert.equal(humanBytes(0), "0 B");
    assert.equal(humanBytes(1023n), "1023 B");
    assert.equal(humanBytes(1024n), "1.0 KiB");
    assert.equal(humanBytes(1_048_575), "1.0 MiB");
    assert.equal(humanBytes(268_435_456n), "256 MiB");
  });

  it("show durations in their two largest units", () => {
    assert.equal(humanDuration(-5), "0ms");
    assert.equal(humanDuration(15), "15ms");
    assert.equal(humanDuration(1200), "1.2s");
    assert.equal(humanDuration(59_960), "1m 0s");
    assert.equal(humanDuration(125_000), "2m 5s");
    assert.equal(humanDuration(3 * 3_600_000 + 120_000), "3h 2m");
    assert.equal(humanDuration(26 * 3_600_000), "1d 2h");
  });

  it("show CPUs as the kernel does", () => {
    assert.equal(humanCpuList([3, 0, 2, 2]), "0,2-3");
    assert.equal(humanCpuList([]), "");
  });

  it("show instants in RFC 3339 for programs, with the digits that they have", () => {
    assert.equal(rfc3339({ seconds: 0n, nanos: 0 }), "1970-01-01T00:00:00Z");
    assert.equal(rfc3339({ seconds: 1n, nanos: 5_000_000 }), "1970-01-01T00:00:01.005Z");
    assert.equal(rfc3339({ seconds: 1n, nanos: 1 }), "1970-01-01T00:00:01.000000001Z");
    assert.equal(rfc3339(undefined), undefined);
    assert.match(localTime({ seconds: 86_400n, nanos: 0 }), /^1970-01-0[12] \d\d:\d\d:\d\d$/);
  });

  it("name enum numbers, and show those that are not known", () => {
    assert.equal(enumName(ProcessState, ProcessState.RUNNING), "RUNNING");
    assert.equal(enumName(ProcessState, 0), "");
    assert.equal(enumName(ProcessState, 42), "42");
    assert.equal(enumName(ProcessState, -1), "-1");
  });
});

describe("colours", () => {
  it("are for terminals, unless NO_COLOR or the terminal says otherwise", () => {
    assert.equal(wantsColour(true, { TERM: "xterm" }), true);
    assert.equal(wantsColour(true, { NO_COLOR: "" }), true);
    assert.equal(wantsColour(true, { NO_COLOR: "1" }), false);
    assert.equal(wantsColour(true, { TERM: "dumb" }), false);
    assert.equal(wantsColour(false, {}), false);
  });
});

/** Parsed JSON has nothing but what JSON can say. */
function toJson(value: unknown): Parameters<typeof jsonLine>[0] {
  return value as Parameters<typeof jsonLine>[0];
}

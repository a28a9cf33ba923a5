import assert from "node:assert/strict";
import { constants } from "node:os";
import { parseSignal, signalName } from "../../../server/processes/signals.js";

describe("signals", () => {
  it("have the numbers of this host", () => {
    const aliases = ["SIGIOT", "SIGPOLL"];
    for (const [name, number] of Object.entries(constants.signals)) {
      if (aliases.includes(name)) continue;
      assert.equal(parseSignal(name), number, name);
    }
  });

  it("come back from their names, all of them", () => {
    for (let number = 1; number <= 64; number++) {
      // The C library keeps two for itself, which have no names.
      if (number === 32 || number === 33) continue;
      assert.equal(parseSignal(signalName(number)), number);
      assert.equal(parseSignal(String(number)), number);
    }
  });

  it("may be written in several ways", () => {
    for (const text of ["SIGTERM", "TERM", "term", "sigterm", "15"]) {
      assert.equal(parseSignal(text), 15);
    }
    assert.equal(parseSignal("RTMIN+3"), 37);
    assert.equal(parseSignal("SIGRTMAX-1"), 63);
  });

  it("are none outside of what the kernel has", () => {
    for (const text of ["", "SIG", "0", "65", "-1", "SIGRTMIN-1", "RTMAX+1", "toString", "1.5"]) {
      assert.throws(() => parseSignal(text), { code: "signal-unknown" }, text);
    }
  });
});

import assert from "node:assert/strict";
import { defaultAddress, formatAddress, parseAddress } from "../../../client/typescript/address.js";

describe("The default address", () => {
  it("is below the run-time directory of a user who has one", () => {
    const address = defaultAddress({ XDG_RUNTIME_DIR: "/run/user/1000" }, 1000);
    assert.equal(address, "unix:/run/user/1000/forkbus/forkbus.sock");
  });

  it("is below /run for root, whose run-time directory belongs to a login", () => {
    assert.equal(
      defaultAddress({ XDG_RUNTIME_DIR: "/run/user/0" }, 0),
      "unix:/run/forkbus/forkbus.sock",
    );
  });

  it("is below /tmp for everybody else, also when the variable is empty or relative", () => {
    for (const env of [{}, { XDG_RUNTIME_DIR: "" }, { XDG_RUNTIME_DIR: "run" }]) {
      assert.equal(defaultAddress(env, 1000), "unix:/tmp/forkbus-1000/forkbus.sock");
    }
  });
});

describe("An address", () => {
  const same: readonly (readonly [string, string])[] = [
    ["/run/f.sock", "unix:/run/f.sock"],
    ["unix:/run/f.sock", "unix:/run/f.sock"],
    ["unix:///run/f.sock", "unix:/run/f.sock"],
    ["tcp://localhost:50051", "tcp://localhost:50051"],
    ["tcp://[::1]:50051/", "tcp://[::1]:50051"],
  ];
  for (const [text, expected] of same) {
    it(`is read from ${text}`, () => {
      assert.equal(formatAddress(parseAddress(text)), expected);
    });
  }

  for (const text of ["", "localhost:1", "unix:", "tcp://host", "tcp://host:0", "tcp://a b:1"]) {
    it(`is refused by name when it is ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseAddress(text), TypeError);
    });
  }

  it("has no longer path than the kernel takes", () => {
    assert.throws(() => parseAddress(`/${"x".repeat(107)}`), /at most 107 bytes, got 108/);
    assert.equal(parseAddress(`/${"x".repeat(106)}`).kind, "unix");
  });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { defaultAddress, parseAddress } from "../../../client/typescript/address.js";
import { defaultSocketPath, defaultStateDir } from "../../../server/config/default-paths.js";

describe("the default socket", () => {
  it("is where a client of the same user looks for it", () => {
    const directory = fc.oneof(
      fc.constantFrom("", "run", "./run", "/run/user/1000", "/a//b/", "/a/../b", "/a/.", "/a/.."),
      fc
        .array(fc.constantFrom("a", "..", ".", "", "ü x"), { maxLength: 6 })
        .map((parts) => `/run/${parts.join("/")}`),
    );
    const env = fc.record({ XDG_RUNTIME_DIR: directory, HOME: directory }, { requiredKeys: [] });
    const uid = fc.oneof(fc.constantFrom(0, 1, 1000, 65_534), fc.nat(2 ** 31));
    fc.assert(
      fc.property(env, uid, (variables, user) => {
        assert.deepEqual(parseAddress(defaultAddress(variables, user)), {
          kind: "unix",
          path: defaultSocketPath(variables, user),
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("belongs to one user alone", () => {
    assert.equal(
      defaultSocketPath({ XDG_RUNTIME_DIR: "/run/user/0" }, 0),
      "/run/forkbus/forkbus.sock",
    );
    assert.equal(defaultSocketPath({}, 7), "/tmp/forkbus-7/forkbus.sock");
    assert.equal(
      defaultSocketPath({ XDG_RUNTIME_DIR: "/run/user/7" }, 7),
      "/run/user/7/forkbus/forkbus.sock",
    );
  });
});

describe("the default state directory", () => {
  it("is the system's for root, and below the user's own for others", () => {
    const env = { XDG_STATE_HOME: "/state", HOME: "/home/a" };
    assert.equal(defaultStateDir(env, 0), "/var/lib/forkbus");
    assert.equal(defaultStateDir(env, 7), "/state/forkbus");
    assert.equal(defaultStateDir({ HOME: "/home/a" }, 7), "/home/a/.local/state/forkbus");
    assert.equal(
      defaultStateDir({ ...env, XDG_STATE_HOME: "state" }, 7),
      "/home/a/.local/state/forkbus",
      "a relative directory is none (XDG Base Directory Specification)",
    );
  });

  it("is unknown without a home", () => {
    for (const env of [{}, { HOME: "" }, { HOME: "home" }, { XDG_STATE_HOME: "" }]) {
      assert.equal(defaultStateDir(env, 7), undefined);
    }
  });
});

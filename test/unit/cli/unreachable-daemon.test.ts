import assert from "node:assert/strict";
import { type SocketFinding, unreachableCheck } from "../../../cli/unreachable-daemon.js";

describe("the check of a daemon that cannot be reached", () => {
  const choice = { address: "unix:/run/x.sock", source: "--address" } as const;
  const remedy = (socket: SocketFinding): string =>
    unreachableCheck(choice, "No answer", socket).remedy;

  it("says how to get a daemon where there is none", () => {
    assert.match(remedy("absent"), /forkbus serve --listen unix:\/run\/x\.sock/);
    assert.match(remedy("socket"), /forkbus serve/);
  });

  it("says who gives permission where that is missing, and nothing of a second daemon", () => {
    for (const socket of ["forbidden", "hidden"] as const) {
      assert.match(remedy(socket), /owner.*group/);
      assert.doesNotMatch(remedy(socket), /forkbus serve/);
    }
  });
});

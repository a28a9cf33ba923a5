import assert from "node:assert/strict";
import { principalName } from "../../../server/auth/principal.js";

describe("the name of a principal", () => {
  it("tells users, certificates and strangers apart, and forgets the process", () => {
    const user = { kind: "local-user", uid: 1000, gid: 1000 } as const;
    assert.equal(principalName({ ...user, pid: 7 }), "uid:1000");
    assert.equal(principalName({ ...user, pid: 8 }), "uid:1000");
    assert.equal(
      principalName({ kind: "certificate", subject: "O=Example,CN=ci" }),
      "cert:O=Example,CN=ci",
    );
    assert.equal(principalName({ kind: "anonymous", via: "tls" }), "anonymous:tls");
    assert.equal(principalName({ kind: "anonymous", via: "loopback" }), "anonymous:loopback");
  });
});

import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PermissionDeniedError } from "../../../client/typescript/errors.js";
import { refuseForeignSocket } from "../../../client/typescript/socket-owner.js";

const NOBODY = 65534;

describe("a default socket", () => {
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });

  it("in somebody else's directory is trusted only where root alone could have put that", () => {
    const above = mkdtempSync(join(tmpdir(), "forkbus-owner-"));
    const directory = join(above, "forkbus");
    mkdirSync(directory);
    chownSync(directory, NOBODY, NOBODY);
    const trusts = (mode: number, owner: number): boolean => {
      chmodSync(above, mode);
      chownSync(above, owner, owner);
      try {
        refuseForeignSocket(join(directory, "forkbus.sock"), 0);
        return true;
      } catch (error) {
        assert.ok(error instanceof PermissionDeniedError);
        return false;
      }
    };
    assert.equal(trusts(0o755, 0), true);
    assert.equal(trusts(0o1777, 0), false);
    assert.equal(trusts(0o775, 0), false);
    assert.equal(trusts(0o755, NOBODY), false);
    rmSync(above, { recursive: true });
  });
});

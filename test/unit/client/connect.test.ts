import assert from "node:assert/strict";
import { Status } from "nice-grpc";
import {
  connect,
  ForkbusError,
  NotFoundError,
  UnavailableError,
} from "../../../client/typescript/index.js";
import { FakeDaemon } from "../../support/fake-daemon.js";
import { FakeFailure } from "../../support/fake-daemon-failure.js";

describe("connect", () => {
  it("says what is wrong and what to do when nobody is there", async () => {
    await assert.rejects(connect("unix:/tmp/no-such-directory/f.sock"), (error) => {
      assert.ok(error instanceof UnavailableError);
      assert.match(error.message, /^No forkbus daemon at unix:\/tmp\/no-such-directory\/f\.sock: /);
      assert.match(error.message, /forkbus serve/);
      return true;
    });
  });

  it("takes the address from the environment", async () => {
    await using daemon = await FakeDaemon.start();
    const before = process.env["FORKBUS_ADDRESS"];
    process.env["FORKBUS_ADDRESS"] = daemon.address;
    try {
      await using bus = await connect();
      assert.equal(bus.address, daemon.address);
      assert.equal(bus.server.version, "0.0.0");
    } finally {
      if (before === undefined) delete process.env["FORKBUS_ADDRESS"];
      else process.env["FORKBUS_ADDRESS"] = before;
    }
  });

  it("waits for a daemon that starts, as long as it is told to", async () => {
    await using daemon = await FakeDaemon.start();
    daemon.kill();
    const connecting = connect(daemon.address, { connectMs: 5000 });
    await daemon.listen();
    await using bus = await connecting;
    assert.equal(bus.address, daemon.address);
  });

  it("rejects with the signal's reason when it is aborted", async () => {
    const reason = new Error("no more time");
    const aborting = new AbortController();
    const connecting = connect("unix:/tmp/no-such-directory/f.sock", {
      connectMs: 5000,
      signal: aborting.signal,
    });
    aborting.abort(reason);
    await assert.rejects(connecting, reason);
  });
});

describe("A failed call", () => {
  it("throws an error with code, reason, metadata and cause", async () => {
    await using daemon = await FakeDaemon.start();
    await using bus = await connect(daemon.address);
    const failure = new FakeFailure(Status.NOT_FOUND, "RECORD_EXPIRED", "It is gone", {
      name: "x",
    });
    daemon.failNext("GetProcess", failure);
    await assert.rejects(bus.attach("x"), (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.equal(error.name, "NotFoundError");
      assert.equal(error.message, "It is gone");
      assert.equal(error.code, "NOT_FOUND");
      assert.equal(error.reason, "RECORD_EXPIRED");
      assert.deepEqual(error.metadata, { name: "x" });
      assert.ok(error.cause instanceof Error);
      return true;
    });
  });

  it("keeps the code when the daemon gives no reason", async () => {
    await using daemon = await FakeDaemon.start();
    await using bus = await connect(daemon.address);
    daemon.failNext("GetProcess", new FakeFailure(Status.DATA_LOSS, "", "torn"));
    await assert.rejects(
      bus.attach("x"),
      (error) => error instanceof ForkbusError && error.code === "DATA_LOSS" && error.reason === "",
    );
  });
});

describe("A closed client", () => {
  it("ends calls under way and refuses new ones", async () => {
    await using daemon = await FakeDaemon.start();
    const bus = await connect(daemon.address);
    const child = await bus.process({ argv: ["sleep", "9"] }).start();
    const joining = child.join();
    bus.close();
    bus.close();
    const closed = { name: "ForkbusError", code: "CANCELLED" };
    await assert.rejects(joining, closed);
    await assert.rejects(child.refresh(), closed);
  });
});

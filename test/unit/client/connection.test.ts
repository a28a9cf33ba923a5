import assert from "node:assert/strict";
import { parseAddress } from "../../../client/typescript/address.js";
import { openConnection } from "../../../client/typescript/connection.js";
import type { DuplexListener } from "../../../client/typescript/duplex-call.js";
import { ForkbusError } from "../../../client/typescript/errors.js";
import { consumeMethod } from "../../../client/typescript/queue-streams.js";
import { FakeDaemon } from "../../support/fake-daemon.js";

describe("A connection that closes", () => {
  it("tells the streams that are open, once, and none that was disposed of", async () => {
    await using daemon = await FakeDaemon.start();
    const connection = openConnection(parseAddress(daemon.address), {}, { reconnectMs: 0 });
    const told: [string, Error | undefined][] = [];
    const listener = (name: string): DuplexListener<unknown> => ({
      response: () => undefined,
      end: (error) => told.push([name, error]),
    });
    for (let round = 0; round < 20; round++) {
      connection.duplex(consumeMethod, listener("disposed"))[Symbol.dispose]();
    }
    connection.duplex(consumeMethod, listener("open"));
    connection.close();
    connection.close();
    const [[name, error] = [], ...others] = told;
    assert.deepEqual([name, others], ["open", []]);
    assert.ok(error instanceof ForkbusError && error.code === "CANCELLED");
    assert.throws(() => connection.duplex(consumeMethod, listener("late")), error);
  });
});

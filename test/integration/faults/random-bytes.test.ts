import { connect } from "node:net";
import fc from "fast-check";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { checkStillWorks } from "./still-works.js";

describe("a client that sends nonsense", () => {
  it("may send what is no HTTP at all", async () => {
    await using daemon = await DaemonHarness.start();
    const first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const openings: readonly Buffer[] = [
      Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
      Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
      Buffer.alloc(100_000),
      preface,
      Buffer.concat([preface, Buffer.alloc(50_000, 0xff)]),
      ...fc
        .sample(fc.uint8Array({ minLength: 1, maxLength: 500 }), 100)
        .map((bytes, index) =>
          index % 2 === 0 ? Buffer.from(bytes) : Buffer.concat([preface, bytes]),
        ),
    ];
    await Promise.all(openings.map((bytes) => shout(daemon.socketPath, bytes)));
    await eventually(
      async () => (await daemon.admin.getServerStatus({})).connections,
      (connections) => connections === 1,
      { what: "all other connections to be closed" },
    );
    await checkStillWorks(daemon, first);
  });
});

/** Sends bytes, hangs up, and waits for the end of the connection. */
function shout(path: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    // A reset is an answer too.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      resolve();
    });
    socket.resume();
    socket.end(bytes);
  });
}

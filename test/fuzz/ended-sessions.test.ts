import assert from "node:assert/strict";
import { type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { inFlight } from "../integration/daemon/support/in-flight.js";
import { eventually } from "../support/eventually.js";
import { Bystander } from "./support/bystander.js";
import {
  callHeaders,
  END_HEADERS,
  frame,
  FrameType,
  OPENING,
  uint32,
} from "./support/http2-frames.js";
import {
  type Listener,
  type ListeningDaemon,
  startPlain,
  startTls,
} from "./support/listening-daemon.js";

/** More than the daemon has room for. */
const CONNECTIONS = 1100;
const isSoak = process.env["FORKBUS_SOAK"] !== undefined;
/** Each takes as long as the daemon leaves between two looks. */
const ROUNDS = isSoak ? 15 : 2;
const PUT = "/forkbus.v1.QueueService/Put";
const QUEUE = "bystanders";
const open = frame(FrameType.headers, END_HEADERS, 1, callHeaders(PUT));
const wrongPing = frame(FrameType.ping, 0, 0, Buffer.alloc(7));
/** The beginning of such a frame. */
const GOAWAY = frame(FrameType.goaway, 0, 0, Buffer.alloc(8)).subarray(0, 9);
const farewell = frame(FrameType.goaway, 0, 0, Buffer.alloc(8));
const pings = Buffer.concat(
  Array.from({ length: 100 }, () => frame(FrameType.ping, 0, 0, Buffer.alloc(8))),
);
const growth = frame(FrameType.windowUpdate, 0, 0, uint32(1));

/** What ends a session without Node being told. */
const ENDINGS: Readonly<Record<string, readonly Buffer[]>> = {
  "at once": [wrongPing],
  "with a call under way": [open, wrongPing],
  "when it has been asked to close": [open, farewell, wrongPing],
};

function read(socket: Socket): Promise<Buffer> {
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  socket.on("error", () => undefined);
  return new Promise((resolve) => {
    socket.once("close", () => {
      resolve(Buffer.concat(received));
    });
  });
}

for (const [title, start] of Object.entries({ "without TLS": startPlain, "with TLS": startTls })) {
  describe(`a session that its client's error has ended, ${title}`, () => {
    let listening: ListeningDaemon;
    let listeners: readonly (readonly [string, Listener])[];

    before(async () => {
      listening = await start({});
      const all = Object.entries(listening.listeners);
      listeners = all.filter(([where]) => !where.includes("before the handshake"));
      await listening.daemon.queues.createQueue({ queue: { name: QUEUE } });
    });
    after(async () => {
      await listening[Symbol.asyncDispose]();
    });

    it("is closed though the client stays, and told from those of the silent and the deaf", async () => {
      const lost: string[] = [];
      const others = listeners.flatMap(([where, listener]) =>
        ["silent", "deaf"].map((what) => {
          const socket = listener.connect();
          socket.on("error", () => undefined);
          socket.once("close", () => lost.push(`${what} on ${where}`));
          if (what === "silent") socket.resume();
          socket.write(Buffer.concat([OPENING, open]));
          return { socket, goesOnWith: what === "silent" ? growth : pings };
        }),
      );
      const timer = setInterval(() => {
        for (const { socket, goesOnWith } of others) socket.write(goesOnWith);
      }, 20);
      try {
        for (let round = 0; round < ROUNDS; round++) {
          const attacks = listeners.flatMap(([where, listener]) =>
            Object.entries(ENDINGS).map(([when, frames]) => ({ where, listener, when, frames })),
          );
          await Promise.all(
            attacks.map(async ({ where, listener, when, frames }) => {
              const socket = listener.connect();
              const received = read(socket);
              socket.write(Buffer.concat([OPENING, ...frames]));
              const bytes = await Promise.race([
                received,
                delay(15_000, undefined, { ref: false }),
              ]);
              socket.destroy();
              assert.ok(bytes !== undefined, `${where} kept one that ended ${when}`);
              assert.ok(bytes.includes(GOAWAY), `${where} did not tell one that ended ${when}`);
            }),
          );
        }
        assert.deepEqual(lost, []);
      } finally {
        clearInterval(timer);
        for (const { socket } of others) socket.destroy();
      }
    });

    // With TLS the handshakes alone take ten seconds.
    if (start === startTls && !isSoak) return;

    it(`keeps nobody else out, even ${CONNECTIONS} times`, async () => {
      const before = listening.daemon.log.length;
      for (const [, listener] of listeners) {
        const bystander = new Bystander(listener.client(), QUEUE);
        const sockets: Socket[] = [];
        await inFlight(4, Array.from({ length: CONNECTIONS }), async () => {
          const socket = listener.connect();
          sockets.push(socket);
          void read(socket);
          const answered = new Promise((resolve) => socket.once("data", resolve));
          socket.write(Buffer.concat([OPENING, wrongPing]));
          await answered;
        });
        // One that comes last finds room, too.
        await new Bystander(listener.client(), QUEUE).done();
        await bystander.done();
        for (const socket of sockets) socket.destroy();
      }
      assert.doesNotMatch(listening.daemon.log.slice(before), /too many connections/);
      await eventually(
        async () => (await listening.daemon.admin.getServerStatus({})).connections,
        (connections) => connections === 1,
        { what: "all other connections to be closed" },
      );
    });
  });
}

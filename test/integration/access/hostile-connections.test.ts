import { credentials } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { once } from "node:events";
import { constants } from "node:http2";
import { randomBytes } from "node:crypto";
import { listPath, sayPath, until } from "../../unit/grpc/text-service.js";
import { framed, RawClient } from "../../unit/grpc/raw-client.js";
import { connectTo, NamingServer, say } from "./text-over-http2.js";

const insecure = credentials.createInsecure();
const loopback = { kind: "insecure", host: "127.0.0.1", port: 0 } as const;
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Resolves when the other side has closed the connection. */
function closed(socket: ReturnType<typeof connectTo>): Promise<void> {
  socket.resume();
  // Not events.once, which takes a reset for a failure.
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once("close", resolve);
  });
}

describe("hostile connections", () => {
  const garbage: Readonly<Record<string, Buffer>> = {
    "random bytes": randomBytes(100_000),
    "HTTP/1.1": Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a TLS hello": Buffer.from("1603010200010001fc0303", "hex"),
    "the preface and then random bytes": Buffer.concat([Buffer.from(preface), randomBytes(10_000)]),
    "the preface and a frame that is too large": Buffer.concat([
      Buffer.from(preface),
      Buffer.from("ffffff000000000000", "hex"),
      Buffer.alloc(100_000),
    ]),
    "almost the preface": Buffer.from(preface.replace("SM", "MS")),
  };
  for (const [what, bytes] of Object.entries(garbage)) {
    it(`closes a connection that sends ${what}, and serves the others`, async () => {
      await using naming = new NamingServer();
      const address = await naming.server.listen(loopback);
      const socket = connectTo(address);
      socket.write(bytes);
      await closed(socket);
      assert.equal(await say(address, insecure), "anonymous:loopback");
      await until("all are closed", () => naming.server.connectionCount === 0);
      assert.deepEqual(naming.log.errors(), []);
    });
  }

  it("closes silent connections, and those that send the preface byte by byte too slowly", async () => {
    await using naming = new NamingServer({ handshakeMs: 200 });
    const address = await naming.server.listen(loopback);
    const silent = connectTo(address);
    const slow = connectTo(address);
    slow.write(preface.slice(0, 10));
    const begun = performance.now();
    await Promise.all([closed(silent), closed(slow)]);
    assert.ok(performance.now() - begun < 3000);
    assert.equal(await say(address, insecure), "anonymous:loopback");
  });

  it("accepts a preface that comes in pieces", async () => {
    await using naming = new NamingServer();
    const address = await naming.server.listen(loopback);
    const socket = connectTo(address);
    socket.setNoDelay(true);
    for (const byte of preface) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.write(Buffer.from("000000040000000000", "hex"));
    const [settings] = (await once(socket, "data")) as [Buffer];
    assert.equal(settings[3], 4, "the answer begins with a SETTINGS frame");
    socket.destroy();
  });

  it("forgets half-open connections and clients that vanish in the middle of a stream", async () => {
    await using naming = new NamingServer();
    const address = await naming.server.listen(loopback);
    const halfOpen = connectTo(address);
    halfOpen.end(preface.slice(0, 5));
    const client = await RawClient.connect(address);
    client.call(listPath, "x");
    await until("the stream runs", () => naming.streams === 1);
    client.destroy();
    await until("the stream has ended", () => naming.streams === 0);
    await until("all are closed", () => naming.server.connectionCount === 0);
    assert.deepEqual(naming.log.errors(), []);
  });

  it("resets a call with huge headers, and goes on with the connection", async () => {
    await using naming = new NamingServer();
    const address = await naming.server.listen(loopback);
    using client = await RawClient.connect(address);
    await until(
      "the limits have arrived",
      () => client.session.remoteSettings.maxHeaderListSize === 16_384,
    );
    const huge = client.open(sayPath, { "x-huge": "x".repeat(20_000) });
    huge.end(framed("x"));
    huge.resume();
    await until("it was reset", () => huge.closed);
    assert.equal(huge.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    const modest = client.call(sayPath, "x", { "x-modest": "x".repeat(10_000) });
    const [headers] = (await once(modest, "response")) as [Record<string, unknown>];
    assert.equal(headers[":status"], 200);
  });

  it("closes connections above the limit, says so once, and accepts again when there is room", async () => {
    await using naming = new NamingServer({ connections: 3 });
    const address = await naming.server.listen(loopback);
    const open = Array.from({ length: 3 }, () => connectTo(address));
    await until("they are there", () => naming.server.connectionCount === 3);
    await Promise.all(Array.from({ length: 5 }, () => closed(connectTo(address))));
    assert.equal(naming.server.connectionCount, 3);
    const warnings = naming.log.events.filter(({ message }) => message === "too many connections");
    assert.equal(warnings.length, 1);
    open[0]?.destroy();
    await until("there is room", () => naming.server.connectionCount === 2);
    assert.equal(await say(address, insecure), "anonymous:loopback");
    for (const socket of open) socket.destroy();
  });

  it("lets one connection have as many calls as the limit says", async () => {
    await using naming = new NamingServer({ streamsPerConnection: 2 });
    const address = await naming.server.listen(loopback);
    using client = await RawClient.connect(address);
    await until(
      "the limits have arrived",
      () => client.session.remoteSettings.maxConcurrentStreams === 2,
    );
    for (let call = 0; call < 5; call++) client.call(listPath, "x");
    await until("two run", () => naming.streams === 2);
    assert.equal(await say(address, insecure), "anonymous:loopback");
    assert.equal(naming.streams, 2);
  });
});

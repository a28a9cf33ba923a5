import { credentials } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { CertificateAuthority } from "../../support/certificate-authority.js";
import { until } from "../../unit/grpc/text-service.js";
import { connectTo, NamingServer, say, TestDirectory } from "./text-over-http2.js";

/** How a TLS connection ends that the server does not want. */
async function endOf(address: string, options: ConnectionOptions): Promise<string> {
  const socket = connectTls({
    servername: "localhost",
    port: Number(address.split(":").at(-1)),
    host: "127.0.0.1",
    ...options,
  });
  let error = "closed";
  socket.on("error", (cause: Error) => {
    error = "code" in cause ? String(cause.code) : cause.message;
  });
  socket.resume();
  await once(socket, "close").catch(() => undefined);
  return error;
}

describe("TCP", () => {
  const trusted = new CertificateAuthority();
  const server = trusted.issue("server", "/CN=localhost");

  after(() => {
    trusted[Symbol.dispose]();
  });

  it("without TLS is refused on every address but loopback, in a sentence", async () => {
    await using naming = new NamingServer();
    for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
      await assert.rejects(
        naming.server.listen({ kind: "insecure", host, port: 0 }),
        new RegExp(`only a loopback address .* ${host} is none`),
      );
    }
    const address = await naming.server.listen({ kind: "insecure", host: "localhost", port: 0 });
    assert.equal(await say(address, credentials.createInsecure()), "anonymous:loopback");
  });

  it("with TLS serves anybody who trusts it, under no name", async () => {
    await using naming = new NamingServer();
    const address = await naming.server.listen({
      kind: "tls",
      host: "127.0.0.1",
      port: 0,
      identity: server,
    });
    assert.equal(await say(address, credentials.createSsl(trusted.ca)), "anonymous:tls");
    await assert.rejects(say(address, credentials.createSsl()));
    await until("all are closed", () => naming.server.connectionCount === 0);
    assert.deepEqual(naming.log.errors(), []);
  });

  it("with a client CA knows its callers by their certificates, and no one else", async () => {
    using stranger = new CertificateAuthority();
    await using naming = new NamingServer();
    const identity = { ...server, clientCa: trusted.ca };
    const address = await naming.server.listen({
      kind: "tls",
      host: "127.0.0.1",
      port: 0,
      identity,
    });
    const ci = trusted.issue("ci", "/O=Example, Inc./CN=ci");
    const own = credentials.createSsl(trusted.ca, ci.key, ci.cert);
    assert.equal(await say(address, own), "cert:O=Example\\, Inc.,CN=ci");
    await assert.rejects(say(address, credentials.createSsl(trusted.ca)));
    const foreign = stranger.issue("ci", "/CN=ci");
    await assert.rejects(
      say(address, credentials.createSsl(trusted.ca, foreign.key, foreign.cert)),
    );
    await until("all are closed", () => naming.server.connectionCount === 0);
  });

  it("with TLS speaks nothing older than TLS 1.3, and nothing but HTTP/2", async () => {
    await using naming = new NamingServer({ handshakeMs: 500 });
    const address = await naming.server.listen({
      kind: "tls",
      host: "127.0.0.1",
      port: 0,
      identity: server,
    });
    const { ca } = trusted;
    assert.match(
      await endOf(address, { ca, maxVersion: "TLSv1.2", ALPNProtocols: ["h2"] }),
      /VERSION/,
    );
    assert.match(await endOf(address, { ca, ALPNProtocols: ["http/1.1"] }), /PROTOCOL/);
    assert.equal(await endOf(address, { ca }), "closed");
    assert.equal(
      await endOf(address, { ca, ALPNProtocols: ["h2"] }),
      "closed",
      "silent after the handshake",
    );
    const silent = connectTo(address);
    await once(silent.resume(), "close");
    const garbage = connectTo(address);
    garbage.write("GET / HTTP/1.1\r\n\r\n");
    await once(garbage.resume(), "close");
    assert.equal(await say(address, credentials.createSsl(ca)), "anonymous:tls");
    await until("all are closed", () => naming.server.connectionCount === 0);
    assert.deepEqual(naming.log.errors(), []);
  });

  it("with TLS counts its connections against the limit", async () => {
    await using naming = new NamingServer({ connections: 2 });
    const address = await naming.server.listen({
      kind: "tls",
      host: "127.0.0.1",
      port: 0,
      identity: server,
    });
    const open = [connectTo(address), connectTo(address)];
    await until("they are there", () => naming.server.connectionCount === 2);
    await assert.rejects(say(address, credentials.createSsl(trusted.ca)));
    for (const socket of open) socket.destroy();
    await until("there is room", () => naming.server.connectionCount === 0);
    assert.equal(await say(address, credentials.createSsl(trusted.ca)), "anonymous:tls");
  });

  it("is refused with a certificate that cannot be used", async () => {
    await using naming = new NamingServer();
    const identity = { cert: "nonsense", key: server.key };
    await assert.rejects(
      naming.server.listen({ kind: "tls", host: "127.0.0.1", port: 0, identity }),
    );
  });

  it("serves several listeners at once", async () => {
    using directory = new TestDirectory();
    await using naming = new NamingServer();
    const unix = await naming.server.listen({ kind: "unix", path: directory.in("f.sock") });
    const tls = await naming.server.listen({
      kind: "tls",
      host: "127.0.0.1",
      port: 0,
      identity: server,
    });
    const plain = await naming.server
      .listen({ kind: "insecure", host: "::1", port: 0 })
      .catch(() => naming.server.listen({ kind: "insecure", host: "127.0.0.1", port: 0 }));
    const names = await Promise.all([
      say(unix, credentials.createInsecure()),
      say(tls, credentials.createSsl(trusted.ca)),
      say(plain, credentials.createInsecure()),
    ]);
    assert.deepEqual(names.slice(1), ["anonymous:tls", "anonymous:loopback"]);
    assert.match(names[0], /^uid:/);
  });
});

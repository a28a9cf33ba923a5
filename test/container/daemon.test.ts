import assert from "node:assert/strict";
import { type Client, connect, ForkbusError } from "../../client/typescript/index.js";
import { CertificateAuthority } from "../support/certificate-authority.js";
import { eventually } from "../support/eventually.js";
import { docker, LABELS } from "./support/engine.js";
import { ForkbusContainer } from "./support/forkbus-container.js";
import { DAEMON_IMAGE } from "./support/images.js";
import { setUp } from "./support/set-up.js";

describe("the daemon in a container", () => {
  const authority = new CertificateAuthority();
  let daemon: ForkbusContainer;
  let bus: Client;

  before(async () => {
    await setUp();
    daemon = await ForkbusContainer.start(authority);
    bus = await daemon.connect();
  });

  after(async () => {
    await bus[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
    authority[Symbol.dispose]();
  });

  it("runs workers for a client outside, as its own user, with input, output and exit code", async () => {
    const child = bus.process({ argv: ["sh", "-c", "id -u; cat; exit 7"], openStdin: true });
    await child.start();
    await child.stdin.write(Buffer.from("hello\n"));
    await child.stdin.end();
    assert.equal(await child.stdout.text(), "7070\nhello\n");
    await child.join();
    assert.equal(child.exitCode, 7);
    await child.delete();
  });

  it("passes items between clients, in order", async () => {
    await using other = await daemon.connect();
    await using queue = await bus.queue({ codec: "json", maxItems: 100 });
    const items = Array.from({ length: 2000 }, (_, n) => n);
    const putting = queue.putMany(items).then(() => queue.shutdown());
    const got: unknown[] = [];
    for await (const item of await other.openQueue(queue.name, { codec: "json" })) got.push(item);
    await putting;
    assert.deepEqual(got, items);
  });

  it("is driven by its keeper and an init of its own, none of them root", async () => {
    const users = await daemon.run("ps", "-e", "-o", "uid=,comm=");
    const programs = users.split("\n").map((line) => line.trim().split(/\s+/));
    assert.equal(await daemon.run("ps", "-p", "1", "-o", "comm="), "tini");
    assert.ok(programs.some(([, name]) => name === "forkbus-keeper"));
    assert.deepEqual([...new Set(programs.map(([uid]) => uid))], ["7070"]);
  });

  it("is refused by a client that does not trust its certificate", async () => {
    using stranger = new CertificateAuthority();
    for (const tls of [{ ca: stranger.ca }, {}]) {
      await assert.rejects(connect(daemon.address, { tls }), (error) => {
        assert.ok(error instanceof ForkbusError);
        return error.code === "UNAVAILABLE" && /certificate/.test(error.message);
      });
    }
  });

  it("is found by the command line inside, and is healthy", async () => {
    assert.match(await daemon.run("forkbus", "status", "-o", "json"), /"keeper_connected": true/);
    const health = await eventually(
      async () => (await daemon.container.inspect()).State.Health?.Status,
      (status) => status !== "starting",
      { what: "the health check", withinMs: 30_000 },
    );
    assert.equal(health, "healthy");
  });
});

describe("the daemon in a container that demands certificates", () => {
  it("serves clients that have one of its authority, and nobody else", async () => {
    await setUp();
    using authority = new CertificateAuthority();
    using stranger = new CertificateAuthority();
    await using daemon = await ForkbusContainer.start(authority, { clientCertificates: true });
    await using bus = await daemon.connect(authority.issue("ci", "/CN=ci"));
    await using child = await bus.process({ argv: ["true"] }).start();
    assert.equal(child.latest.owner, "cert:CN=ci");
    for (const identity of [undefined, stranger.issue("ci", "/CN=ci")]) {
      const tls = { ca: authority.ca, ...identity };
      await assert.rejects(connect(daemon.address, { tls }), { code: "UNAVAILABLE" });
    }
  });
});

describe("a container whose daemon cannot start", () => {
  async function endOf(args: readonly string[], env: readonly string[]): Promise<string> {
    const container = await (
      await docker()
    ).createContainer({ Image: DAEMON_IMAGE, Labels: LABELS, Cmd: [...args], Env: [...env] });
    try {
      await container.start();
      await container.wait();
      const { State } = await container.inspect();
      const log = await container.logs({ stdout: true, stderr: true });
      return `${State.ExitCode}: ${log.toString()}`;
    } finally {
      await container.remove({ force: true, v: true });
    }
  }

  it("ends with its exit code, and says why", async () => {
    await setUp();
    assert.match(await endOf(["--log-level", "nonsense"], []), /^64: .*'nonsense' is invalid/s);
    const missing = ["FORKBUS_TLS_CERT=/nowhere.crt", "FORKBUS_TLS_KEY=/nowhere.key"];
    assert.match(await endOf([], missing), /^75: .*nowhere/s);
  });
});

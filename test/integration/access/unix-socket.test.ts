import { credentials } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { promisify } from "node:util";
import { sayPath, until } from "../../unit/grpc/text-service.js";
import { NamingServer, say, TestDirectory } from "./text-over-http2.js";

const insecure = credentials.createInsecure();

/** Calls Say over the Unix socket with nothing but node:http2, as another user. */
const program = `
const http2 = require("node:http2"), net = require("node:net");
const socket = net.connect(process.argv[1]);
socket.on("error", (error) => { console.log(error.code); process.exit(1); });
const session = http2.connect("http://localhost", { createConnection: () => socket });
const call = session.request({ ":method": "POST", ":path": process.argv[2], "content-type": "application/grpc", te: "trailers" });
call.end(Buffer.from([0, 0, 0, 0, 1, 120]));
const parts = [];
call.on("data", (part) => parts.push(part));
call.on("end", () => { console.log(Buffer.concat(parts).subarray(5).toString()); session.close(); });
`;

async function sayAs(options: readonly string[], path: string): Promise<string> {
  const command = [...options, process.execPath, "-e", program, path, sayPath];
  const run = promisify(execFile);
  const result = await run("setpriv", command).catch((error: unknown) => {
    if (error instanceof Error && "stdout" in error) return { stdout: String(error.stdout) };
    throw error;
  });
  return result.stdout.trim();
}

/** Leaves a socket behind that nobody listens on, as a killed daemon does. */
function leaveStaleSocket(path: string): void {
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script, path]);
  assert.ok(lstatSync(path).isSocket());
}

describe("a Unix socket", () => {
  it("knows its callers by the kernel's word", async () => {
    using directory = new TestDirectory();
    await using naming = new NamingServer();
    const path = directory.in("run/f.sock");
    const address = await naming.server.listen({ kind: "unix", path });
    assert.equal(address, `unix://${path}`);
    assert.equal(await say(address, insecure), `uid:${process.getuid?.() ?? -1}`);
  });

  it("tells another user apart, and lets in only its group", async function () {
    if (process.getuid?.() !== 0) this.skip();
    using directory = new TestDirectory();
    await using naming = new NamingServer();
    const path = directory.in("run/f.sock");
    await naming.server.listen({ kind: "unix", path });
    chmodSync(directory.path, 0o755);
    const user = ["--reuid", "65534", "--regid", "65534"];
    assert.equal(await sayAs([...user, "--groups", "0"], path), "uid:65534");
    assert.equal(await sayAs([...user, "--clear-groups"], path), "EACCES");
  });

  it("has mode 0660 in a directory of mode 0750, and leaves no other file", async () => {
    using directory = new TestDirectory();
    await using naming = new NamingServer();
    const path = directory.in("run/f.sock");
    await naming.server.listen({ kind: "unix", path });
    assert.equal(statSync(path).mode & 0o777, 0o660);
    assert.equal(statSync(directory.in("run")).mode & 0o777, 0o750);
    await naming.server.stop({ graceMs: 0 });
    assert.equal(existsSync(path), false);
  });

  it("is taken over from a daemon that has died", async () => {
    using directory = new TestDirectory();
    const path = directory.in("f.sock");
    leaveStaleSocket(path);
    await using naming = new NamingServer();
    const address = await naming.server.listen({ kind: "unix", path });
    assert.match(await say(address, insecure), /^uid:/);
  });

  it("is refused while another daemon listens, which goes on undisturbed", async () => {
    using directory = new TestDirectory();
    const path = directory.in("f.sock");
    await using first = new NamingServer();
    await using second = new NamingServer();
    const address = await first.server.listen({ kind: "unix", path });
    await assert.rejects(
      second.server.listen({ kind: "unix", path }),
      /Another daemon listens on .*f\.sock/,
    );
    await second.server.stop({ graceMs: 0 });
    assert.match(await say(address, insecure), /^uid:/);
  });

  it("is not removed by a stop when it has become another's", async () => {
    using directory = new TestDirectory();
    const path = directory.in("f.sock");
    await using naming = new NamingServer();
    await naming.server.listen({ kind: "unix", path });
    leaveStaleSocket(directory.in("other.sock"));
    spawnSync("mv", [directory.in("other.sock"), path]);
    await naming.server.stop({ graceMs: 0 });
    assert.ok(existsSync(path));
  });

  it("does not replace a file that is no socket, nor take a path that is too long", async () => {
    using directory = new TestDirectory();
    await using naming = new NamingServer();
    const path = directory.in("precious");
    writeFileSync(path, "data");
    await assert.rejects(naming.server.listen({ kind: "unix", path }), /it is no socket/);
    assert.ok(existsSync(path));
    const long = directory.in("x".repeat(200));
    await assert.rejects(naming.server.listen({ kind: "unix", path: long }), /at most 107 bytes/);
  });

  it("stops with connections that have said nothing, and only once", async () => {
    using directory = new TestDirectory();
    await using naming = new NamingServer();
    const path = directory.in("f.sock");
    await naming.server.listen({ kind: "unix", path });
    const silent = connect(path).on("error", () => undefined);
    await until("it is there", () => naming.server.connectionCount === 1);
    const begun = performance.now();
    let farewells = 0;
    const beforeDrain = (): void => {
      farewells += 1;
    };
    await Promise.all([
      naming.server.stop({ graceMs: 5000, beforeDrain }),
      naming.server.stop({ graceMs: 5000, beforeDrain }),
    ]);
    assert.ok(performance.now() - begun < 2000);
    assert.equal(farewells, 1);
    await assert.rejects(naming.server.listen({ kind: "unix", path }), /has been stopped/);
    silent.destroy();
  });
});

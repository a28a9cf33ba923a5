import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { checkStillWorks } from "./still-works.js";

const BAD_USAGE = 64;
const CANNOT_START = 75;

/** Runs a daemon that is expected not to start. */
function serve(args: readonly string[]): { readonly code: number | null; readonly stderr: string } {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(packageRoot, "dist/server/main.js"), "--log-format", "json", ...args],
    { encoding: "utf8", timeout: 20_000 },
  );
  return { code: status, stderr };
}

/** One sentence for the operator, and no stack. */
function checkSentence(stderr: string, names: readonly string[]): void {
  const sentences = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  assert.equal(sentences.length, 1, stderr);
  const [sentence = ""] = sentences;
  assert.match(sentence, /^forkbus serve: /);
  for (const name of names) assert.ok(sentence.includes(name), `${sentence} does not name ${name}`);
}

describe("a daemon that cannot start as it was told", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "forkbus-start-"));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it("refuses to serve TCP without TLS, unless it was told that this is meant", () => {
    const stateDir = join(directory, "state");
    for (const address of ["tcp://127.0.0.1:0", "tcp://0.0.0.0:7000", "tcp://[::]:7000"]) {
      const { code, stderr } = serve(["--state-dir", stateDir, "--listen", address]);
      assert.equal(code, BAD_USAGE);
      checkSentence(stderr, [address, "--tls-cert", "--insecure"]);
    }
    assert.equal(existsSync(stateDir), false, "nothing was begun");
  });

  it("refuses options that contradict each other", () => {
    const stateDir = ["--state-dir", join(directory, "state")];
    const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
      [["--listen", "http://localhost"], ["http://localhost"]],
      [["--tls-cert", "/c.pem", "--listen", "tcp://127.0.0.1:0"], ["--tls-key"]],
      [["--tls-cert", "/c.pem", "--tls-key", "/k.pem"], ["--listen"]],
    ];
    for (const [args, names] of cases) {
      const { code, stderr } = serve([...stateDir, ...args]);
      assert.equal(code, BAD_USAGE, stderr);
      checkSentence(stderr, names);
    }
  });

  it("refuses to be open to the network without TLS, even when told so", () => {
    const { code, stderr } = serve([
      ...["--state-dir", join(directory, "state")],
      ...["--insecure", "--listen", "tcp://0.0.0.0:0"],
    ]);
    assert.ok(code === BAD_USAGE || code === CANNOT_START, `ended with ${code ?? "a signal"}`);
    checkSentence(stderr, ["0.0.0.0", "loopback"]);
  });

  it("says so when a path is too long for a socket", () => {
    const long = join(directory, "d".repeat(120));
    const state = serve([
      ...["--state-dir", long],
      ...["--listen", `unix:${join(directory, "socket")}`],
    ]);
    assert.equal(state.code, CANNOT_START, state.stderr);
    checkSentence(state.stderr, [long, "107 bytes"]);
    const listen = serve([
      ...["--state-dir", join(directory, "state")],
      ...["--listen", `unix:${join(long, "socket")}`],
    ]);
    assert.equal(listen.code, CANNOT_START, listen.stderr);
    checkSentence(listen.stderr, [long]);
  });

  it("leaves a state directory to the daemon that has it", async () => {
    await using daemon = await DaemonHarness.start();
    const first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    const second = serve([
      ...["--state-dir", daemon.stateDir],
      ...["--listen", `unix:${join(directory, "socket")}`],
    ]);
    assert.equal(second.code, CANNOT_START);
    checkSentence(second.stderr, [String(daemon.pid), daemon.stateDir]);
    await checkStillWorks(daemon, first);
  });

  it("leaves a socket to the daemon that serves it", async () => {
    await using daemon = await DaemonHarness.start();
    const first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    const second = serve([
      ...["--state-dir", join(directory, "state")],
      ...["--listen", `unix:${daemon.socketPath}`],
    ]);
    assert.equal(second.code, CANNOT_START);
    checkSentence(second.stderr, [daemon.socketPath]);
    await checkStillWorks(daemon, first);
  });

  it("says which port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const { code, stderr } = serve([
      ...["--state-dir", join(directory, "state")],
      ...["--insecure", "--listen", `tcp://127.0.0.1:${address.port}`],
    ]);
    server.close();
    assert.equal(code, CANNOT_START);
    checkSentence(stderr, [String(address.port)]);
  });

  it("takes over the socket that a killed daemon has left", async () => {
    await using daemon = await DaemonHarness.start();
    await daemon.kill();
    assert.ok(existsSync(daemon.socketPath), "the socket is stale");
    await daemon.startDaemon();
    await checkStillWorks(daemon, { pid: daemon.pid, keeperPid: daemon.keeperPid });
  });
});

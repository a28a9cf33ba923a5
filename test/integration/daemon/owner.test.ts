import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync } from "node:fs";
import { promisify } from "node:util";
import {
  CreateProcessRequest,
  CreateProcessResponse,
} from "../../../proto/gen/forkbus/v1/process.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";
import { sharedDaemon } from "./support/shared-daemon.js";

/** One call over the Unix socket with nothing but what Node brings, so that any user can run it. */
const CALL = `
const http2 = require("node:http2"), net = require("node:net");
const [socketPath, path, body] = process.argv.slice(1);
const socket = net.connect(socketPath);
socket.on("error", (error) => { console.log(error.code); process.exit(1); });
const session = http2.connect("http://localhost", { createConnection: () => socket });
const call = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" });
const message = Buffer.from(body, "hex"), head = Buffer.alloc(5);
head.writeUInt32BE(message.length, 1);
call.end(Buffer.concat([head, message]));
const parts = [];
call.on("data", (part) => parts.push(part));
call.on("end", () => { console.log(Buffer.concat(parts).subarray(5).toString("hex")); session.close(); });
`;

async function createAs(daemon: DaemonHarness, uid: number, requestId: string): Promise<string[]> {
  const request = CreateProcessRequest.fromPartial({
    requestId,
    process: { spec: { target: { $case: "exec", value: { argv: ["true"] } } } },
  });
  const body = Buffer.from(CreateProcessRequest.encode(request).finish()).toString("hex");
  const user = ["--reuid", String(uid), "--regid", String(uid), "--groups", "0"];
  const path = "/forkbus.v1.ProcessService/CreateProcess";
  const command = [...user, process.execPath, "-e", CALL, daemon.socketPath, path, body];
  const { stdout } = await promisify(execFile)("setpriv", command);
  const { process: made } = CreateProcessResponse.decode(Buffer.from(stdout.trim(), "hex"));
  assert.ok(made);
  return [made.owner, made.uid];
}

describe("the owner of a process", () => {
  const daemon = sharedDaemon();

  it("is the user that the kernel says has called", async () => {
    const { owner } = await daemon().create(["true"]);
    assert.equal(owner, `uid:${process.getuid?.() ?? -1}`);
  });

  it("is another one for another user, whose request_ids are its own", async function () {
    if (process.getuid?.() !== 0) this.skip();
    chmodSync(daemon().directory, 0o755);
    const first = await createAs(daemon(), 65_534, "the-same");
    const again = await createAs(daemon(), 65_534, "the-same");
    assert.deepEqual(again, first);
    assert.equal(first[0], "uid:65534");
    const { owner, uid } = await daemon().create(["true"], {}, { requestId: "the-same" });
    assert.equal(owner, "uid:0");
    assert.notEqual(uid, first[1]);
  });
});

import { type Socket } from "node:net";
import { FrameType } from "./http2-frames.js";

/** Longer than the daemon waits for a connection that says nothing. */
const END_MS = 30_000;
const FRAME_HEADER_BYTES = 9;

/**
 * Sends everything, reads whatever comes, hangs up, and waits for the daemon to do so too; at a
 * GOAWAY with an error it does not wait. Rejects when the daemon neither says so nor hangs up.
 */
export function attack(socket: Socket, bytes: Buffer, ending: "end" | "break"): Promise<void> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const timer = setTimeout(() => {
      reject(new Error("the daemon kept the connection"));
      socket.destroy();
    }, END_MS);
    // To be reset is an answer like any other.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.on("data", (chunk: Buffer) => {
      received.push(chunk);
      if (hasFatalGoaway(Buffer.concat(received))) socket.destroy();
    });
    if (ending === "end") socket.end(bytes);
    else socket.write(bytes, () => socket.destroy());
  });
}

function hasFatalGoaway(bytes: Buffer): boolean {
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const isGoaway = bytes.readUInt8(at + 3) === FrameType.goaway;
    at += FRAME_HEADER_BYTES;
    if (isGoaway && at + 8 <= bytes.length && bytes.readUInt32BE(at + 4) !== 0) return true;
    at += length;
  }
  return false;
}

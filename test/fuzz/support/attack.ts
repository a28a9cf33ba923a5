import { type Socket } from "node:net";
import { FrameType } from "./http2-frames.js";

/** Longer than the daemon waits for a connection that says nothing. */
const END_MS = 30_000;
/** How long a connection is watched on which the daemon has said that it is over. */
const GIVEN_UP_MS = 300;
const FRAME_HEADER_BYTES = 9;

/**
 * Sends everything, reads whatever comes, hangs up, and waits for the daemon to do so too. Resolves
 * to "given up" when the daemon has ended the session by a GOAWAY with an error and does not hang
 * up. Rejects when it does neither.
 */
export function attack(
  socket: Socket,
  bytes: Buffer,
  ending: "end" | "break",
): Promise<"closed" | "given up"> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    let isGivenUp = false;
    let isWatched = false;
    let timer = setTimeout(() => {
      reject(new Error("the daemon kept the connection"));
      socket.destroy();
    }, END_MS);
    // To be reset is an answer like any other.
    socket.on("error", () => undefined);
    socket.once("close", () => {
      clearTimeout(timer);
      resolve(isGivenUp ? "given up" : "closed");
    });
    socket.on("data", (chunk: Buffer) => {
      received.push(chunk);
      if (isWatched || !hasFatalGoaway(Buffer.concat(received))) return;
      isWatched = true;
      clearTimeout(timer);
      timer = setTimeout(() => {
        isGivenUp = true;
        socket.destroy();
      }, GIVEN_UP_MS);
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

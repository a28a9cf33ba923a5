import type { Socket } from "node:net";

/** The bytes that every HTTP/2 connection begins with (RFC 9113, section 3.4). */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export type PrefaceOutcome = "http2" | "garbage" | "closed" | "silent";

/**
 * Reads the HTTP/2 preface and puts it back, so that only what speaks HTTP/2 gets a session. The
 * answer comes with the first byte that differs, the last of the preface, the end of the
 * connection, or after `timeoutMs`. The caller owns the socket and has an error listener on it.
 */
export function awaitPreface(socket: Socket, timeoutMs: number): Promise<PrefaceOutcome> {
  return new Promise((resolve) => {
    const seen: Buffer[] = [];
    let seenBytes = 0;
    const timer = setTimeout(() => {
      settle("silent");
    }, timeoutMs);

    function settle(outcome: PrefaceOutcome): void {
      clearTimeout(timer);
      socket.off("readable", onReadable).off("close", onClosed).off("end", onClosed);
      if (outcome === "http2") socket.unshift(Buffer.concat(seen));
      resolve(outcome);
    }
    function onClosed(): void {
      settle("closed");
    }
    function onReadable(): void {
      for (;;) {
        const chunk: unknown = socket.read();
        if (!Buffer.isBuffer(chunk)) return;
        const expected = preface.subarray(seenBytes, seenBytes + chunk.byteLength);
        if (!chunk.subarray(0, expected.byteLength).equals(expected)) {
          settle("garbage");
          return;
        }
        seen.push(chunk);
        seenBytes += chunk.byteLength;
        if (seenBytes >= preface.byteLength) {
          settle("http2");
          return;
        }
      }
    }
    socket.on("readable", onReadable).on("close", onClosed).on("end", onClosed);
  });
}

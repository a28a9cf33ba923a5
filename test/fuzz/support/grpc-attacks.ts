import { gzipSync } from "node:zlib";
import {
  call,
  callHeaders,
  END_HEADERS,
  END_STREAM,
  frame,
  FrameType,
  type Headers,
  message,
  OPENING,
} from "./http2-frames.js";
import { type Attack } from "./http2-attacks.js";

const MIB = 1024 * 1024;
const STATUS = "/forkbus.v1.AdminService/GetServerStatus";
const PUT = "/forkbus.v1.QueueService/Put";
const FOLLOW = "/forkbus.v1.ProcessService/ReadLogs";

const empty = message(Buffer.alloc(0));

function spoilt(further: Headers, body: Uint8Array = empty, path = STATUS): Buffer {
  return Buffer.concat([OPENING, call(1, path, body, further)]);
}

/** A whole call whose body comes in pieces of this size. */
function inPieces(body: Buffer, size: number): Buffer {
  const pieces = Array.from({ length: Math.ceil(body.length / size) }, (_, index) =>
    frame(FrameType.data, 0, 1, body.subarray(index * size, (index + 1) * size)),
  );
  const headers = frame(FrameType.headers, END_HEADERS, 1, callHeaders(PUT));
  return Buffer.concat([OPENING, headers, ...pieces, frame(FrameType.data, END_STREAM, 1)]);
}

/** Attacks with HTTP/2 in which gRPC is wrong. */
export const grpcAttacks: Readonly<Record<string, Attack>> = {
  "a message that is shorter than it says": () => spoilt([], message(Buffer.alloc(3), 0, 10)),
  "a message of 4 GiB": () => spoilt([], message(Buffer.alloc(3), 0, 2 ** 32 - 1)),
  "a message that is longer than it says": () => spoilt([], message(Buffer.alloc(10), 0, 3)),
  "half a length": () => spoilt([], Buffer.alloc(3)),
  "no message": () => spoilt([], Buffer.alloc(0)),
  "three messages where one belongs": () => spoilt([], Buffer.concat([empty, empty, empty])),
  "a message that is compressed in no way": () => spoilt([], message(Buffer.alloc(10), 1)),
  "a flag that is none": (random) => spoilt([], message(Buffer.alloc(0), 2 + random.below(254))),
  "compressed bytes that are none": (random) =>
    spoilt([["grpc-encoding", "gzip"]], message(random.bytes(100), 1)),
  "an encoding that nobody knows": () =>
    spoilt([["grpc-encoding", "rot13"]], message(Buffer.alloc(9), 1)),
  "a compressed message of 64 MiB": () =>
    spoilt([["grpc-encoding", "gzip"]], message(gzipSync(Buffer.alloc(64 * MIB)), 1), PUT),
  "many small pieces": (_random, times) => inPieces(message(Buffer.alloc(times)), 1),
  "an endless length in small pieces": (_random, times) =>
    inPieces(message(Buffer.alloc(times), 0, 2 ** 31), 1),
  "another content type": () => spoilt([["content-type", "text/html"]]),
  "no content type": () => spoilt([["content-type", ""]]),
  "another method": () => spoilt([[":method", "GET"]]),
  "a path that is none": (random) => spoilt([[":path", `/${random.bytes(20).toString("hex")}`]]),
  "a path of no kind": () => spoilt([[":path", "*"]]),
  "a path of 10 000 characters": () => spoilt([[":path", `/${"x".repeat(10_000)}`]]),
  "headers of 32 KiB": () =>
    spoilt([
      ["x-long", "x".repeat(16_000)],
      ["x-more", "x".repeat(300)],
    ]),
  "deadlines that are none": (random) =>
    spoilt([["grpc-timeout", random.pick(["", "-1S", "99999999999H", "1", "1x", "0n", "NaN"])]]),
  "binary headers that are none": () =>
    spoilt([
      ["x-bin", "%%%"],
      ["grpc-status-details-bin", "!"],
    ]),
  "headers in upper case": () => spoilt([["X-Upper", "x"]]),
  "a header with a NUL": () => spoilt([["x-nul", "a\0b"]]),
  "pseudo headers at the end": () =>
    spoilt([
      ["x", "y"],
      [":path", STATUS],
    ]),
  "trailers of a client": () =>
    Buffer.concat([
      OPENING,
      frame(FrameType.headers, END_HEADERS, 1, callHeaders(STATUS)),
      frame(FrameType.headers, END_HEADERS | END_STREAM, 1, callHeaders(STATUS)),
    ]),
  "calls that are left in the middle of a message": (_random, times) =>
    Buffer.concat([
      OPENING,
      ...Array.from({ length: times / 20 }, (_, index) =>
        Buffer.concat([
          frame(FrameType.headers, END_HEADERS, 2 * index + 1, callHeaders(PUT)),
          frame(FrameType.data, 0, 2 * index + 1, message(Buffer.alloc(20), 0, 1000)),
        ]),
      ),
    ]),
  "streams that nobody reads": (_random, times) =>
    Buffer.concat([
      OPENING,
      ...Array.from({ length: times / 20 }, (_, index) => call(2 * index + 1, FOLLOW, empty)),
    ]),
};

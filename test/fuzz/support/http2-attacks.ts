import {
  ACK,
  call,
  callHeaders,
  END_HEADERS,
  END_STREAM,
  frame,
  FrameType,
  OPENING,
  PADDED,
  PREFACE,
  setting,
  uint32,
} from "./http2-frames.js";
import { type Random } from "./random.js";

/** What a client sends that attacks; `times` says how often, where it is a matter of quantity. */
export type Attack = (random: Random, times: number) => Buffer;

const STATUS = "/forkbus.v1.AdminService/GetServerStatus";
const PUT = "/forkbus.v1.QueueService/Put";

const odd = (index: number): number => 2 * index + 1;

function repeated(times: number, make: (index: number) => Buffer): Buffer {
  return Buffer.concat([OPENING, ...Array.from({ length: times }, (_, index) => make(index))]);
}

function after(...frames: Buffer[]): Buffer {
  return Buffer.concat([OPENING, ...frames]);
}

const open = frame(FrameType.headers, END_HEADERS, 1, callHeaders(PUT));

/** Attacks with what no HTTP/2 is. */
export const garbage: Readonly<Record<string, Attack>> = {
  "random bytes": (random) => random.bytes(1 + random.below(5000)),
  zeros: () => Buffer.alloc(100_000),
  "HTTP/1.1": () => Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  "an upgrade to HTTP/2": () =>
    Buffer.from("GET / HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
  "a beginning of TLS": (random) =>
    Buffer.concat([Buffer.from("1603010200010001fc0303", "hex"), random.bytes(508)]),
  "a TLS record of the wrong length": () => Buffer.from("160301ffff01000000", "hex"),
  "TLS alerts": () =>
    Buffer.concat(Array.from({ length: 1000 }, () => Buffer.from("15030300020100", "hex"))),
  "half a preface": () => PREFACE.subarray(0, 10),
  "the preface and random bytes": (random) =>
    Buffer.concat([PREFACE, random.bytes(random.below(5000))]),
  "the preface without settings": () => Buffer.concat([PREFACE, call(1, STATUS, Buffer.alloc(5))]),
};

/** Attacks with frames that break HTTP/2's rules. */
export const malformed: Readonly<Record<string, Attack>> = {
  "settings of a length that is none": () =>
    after(frame(FrameType.settings, 0, 0, Buffer.alloc(5))),
  "settings on a stream": () => after(frame(FrameType.settings, 0, 1, setting(3, 1))),
  "an acknowledgement with a payload": () =>
    after(frame(FrameType.settings, ACK, 0, setting(3, 1))),
  "values that no setting has": (random) =>
    after(
      frame(
        FrameType.settings,
        0,
        0,
        setting(random.pick([2, 4, 5, 8]), random.pick([2, 2 ** 31, 2 ** 32 - 1])),
      ),
    ),
  "settings that nobody knows": (random) =>
    after(frame(FrameType.settings, 0, 0, setting(random.below(65_536), random.below(2 ** 32)))),
  "a window of no bytes": () =>
    after(frame(FrameType.settings, 0, 0, setting(4, 0)), call(1, STATUS, Buffer.alloc(5))),
  "a frame that is too large": () =>
    after(frame(FrameType.data, 0, 1, Buffer.alloc(100_000), 0xff_ffff)),
  "frames of unknown types": (random, times) =>
    repeated(times, () => frame(10 + random.below(246), random.below(256), 0, random.bytes(20))),
  "random frames": (random, times) =>
    repeated(times / 10, () =>
      frame(random.below(11), random.below(256), random.below(9), random.bytes(random.below(40))),
    ),
  "data on the connection": () => after(frame(FrameType.data, 0, 0, Buffer.alloc(10))),
  "headers on the connection": () =>
    after(frame(FrameType.headers, END_HEADERS, 0, callHeaders(STATUS))),
  "a stream of the server": () =>
    after(frame(FrameType.headers, END_HEADERS, 2, callHeaders(STATUS))),
  "streams that go backwards": () =>
    after(call(9, STATUS, Buffer.alloc(5)), call(3, STATUS, Buffer.alloc(5))),
  "a stream twice": () => after(call(1, STATUS, Buffer.alloc(5)), call(1, STATUS, Buffer.alloc(5))),
  "a reset of a stream that never was": () => after(frame(FrameType.rstStream, 0, 99, uint32(8))),
  "a stream that depends on itself": () =>
    after(open, frame(FrameType.priority, 0, 1, Buffer.concat([uint32(1), Buffer.alloc(1)]))),
  "a window that grows by nothing": () => after(frame(FrameType.windowUpdate, 0, 0, uint32(0))),
  "a connection's window that overflows": () =>
    after(
      ...Array.from({ length: 3 }, () => frame(FrameType.windowUpdate, 0, 0, uint32(2 ** 31 - 1))),
    ),
  "a stream's window that overflows": () =>
    after(
      open,
      ...Array.from({ length: 3 }, () => frame(FrameType.windowUpdate, 0, 1, uint32(2 ** 31 - 1))),
    ),
  "a ping of the wrong size": () => after(frame(FrameType.ping, 0, 0, Buffer.alloc(7))),
  "a push from a client": () =>
    after(
      open,
      frame(FrameType.pushPromise, END_HEADERS, 1, Buffer.concat([uint32(2), callHeaders(STATUS)])),
    ),
  "a continuation of nothing": () =>
    after(frame(FrameType.continuation, END_HEADERS, 1, callHeaders(STATUS))),
  "headers with something in between": () =>
    after(
      frame(FrameType.headers, 0, 1, callHeaders(STATUS)),
      frame(FrameType.ping, 0, 0, Buffer.alloc(8)),
    ),
  "more padding than payload": () =>
    after(
      frame(
        FrameType.headers,
        END_HEADERS | PADDED,
        1,
        Buffer.concat([Buffer.from([255]), callHeaders(STATUS)]),
      ),
    ),
  "header blocks of random bytes": (random) =>
    after(
      frame(FrameType.headers, END_HEADERS | END_STREAM, 1, random.bytes(1 + random.below(200))),
    ),
  "an index that no header has": () =>
    after(frame(FrameType.headers, END_HEADERS, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f]))),
  "a header table of 2^31 bytes": () =>
    after(
      frame(FrameType.headers, END_HEADERS, 1, Buffer.from([0x3f, 0xff, 0xff, 0xff, 0xff, 0x07])),
    ),
  "a farewell, and then more": () =>
    after(frame(FrameType.goaway, 0, 0, Buffer.alloc(8)), call(1, STATUS, Buffer.alloc(5))),
  "changes to bytes of a good call": (random) => {
    const bytes = after(call(1, STATUS, Buffer.alloc(5)), call(3, PUT, Buffer.alloc(5)));
    for (let left = 1 + random.below(5); left > 0; left--) {
      const at = PREFACE.length + random.below(bytes.length - PREFACE.length);
      bytes.writeUInt8(random.below(256), at);
    }
    return bytes;
  },
};

/** Attacks by mere quantity. */
export const floods: Readonly<Record<string, Attack>> = {
  settings: (_random, times) =>
    repeated(times, () => frame(FrameType.settings, 0, 0, setting(3, 100))),
  pings: (_random, times) => repeated(times, () => frame(FrameType.ping, 0, 0, Buffer.alloc(8))),
  priorities: (random, times) =>
    repeated(times, (index) =>
      frame(
        FrameType.priority,
        0,
        odd(index),
        Buffer.concat([uint32(odd(random.below(times))), Buffer.alloc(1)]),
      ),
    ),
  "priorities in a ring": (_random, times) =>
    repeated(times, (index) =>
      frame(
        FrameType.priority,
        0,
        odd(index % 100),
        Buffer.concat([uint32(odd((index + 1) % 100)), Buffer.alloc(1)]),
      ),
    ),
  "window updates": (_random, times) =>
    repeated(times, () => frame(FrameType.windowUpdate, 0, 0, uint32(1))),
  "continuations of a byte": (_random, times) =>
    Buffer.concat([
      OPENING,
      frame(FrameType.headers, 0, 1, callHeaders(STATUS)),
      ...Array.from({ length: times }, () => frame(FrameType.continuation, 0, 1, Buffer.alloc(1))),
    ]),
  "continuations of 16 KiB": (_random, times) =>
    Buffer.concat([
      OPENING,
      frame(FrameType.headers, 0, 1, callHeaders(STATUS)),
      ...Array.from({ length: times / 100 }, () =>
        frame(FrameType.continuation, 0, 1, Buffer.alloc(16_384)),
      ),
    ]),
  "calls that are reset at once": (_random, times) =>
    repeated(times, (index) =>
      Buffer.concat([
        frame(FrameType.headers, END_HEADERS, odd(index), callHeaders(STATUS)),
        frame(FrameType.rstStream, 0, odd(index), uint32(8)),
      ]),
    ),
  "calls that are reset when they are complete": (_random, times) =>
    repeated(times, (index) =>
      Buffer.concat([
        call(odd(index), STATUS, Buffer.alloc(5)),
        frame(FrameType.rstStream, 0, odd(index), uint32(8)),
      ]),
    ),
  "calls that never end": (_random, times) =>
    repeated(times / 2, (index) =>
      frame(FrameType.headers, END_HEADERS, odd(index), callHeaders(PUT)),
    ),
  "data beyond the window": (_random, times) =>
    Buffer.concat([
      OPENING,
      open,
      ...Array.from({ length: times / 50 }, () =>
        frame(FrameType.data, 0, 1, Buffer.alloc(16_384)),
      ),
    ]),
  "data of no bytes": (_random, times) =>
    Buffer.concat([
      OPENING,
      open,
      ...Array.from({ length: times }, () => frame(FrameType.data, 0, 1)),
    ]),
};

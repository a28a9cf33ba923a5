import { type FramePart, frameHeader, frameTag, readFrame, type WireFrame } from "./frame.js";
import { type Items } from "./items.js";
import { Rope } from "./rope.js";
import { WireReader, WireType } from "./wire-reader.js";

/** A frame that goes out: the items of its rows, one row after the other. */
export interface OutgoingFrame {
  readonly firstSeq: number;
  readonly part?: FramePart | undefined;
  readonly rows: readonly Items[];
}

/** What the generated code offers of a message type. */
export interface GeneratedCodec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(input: Uint8Array): Message;
}

type WithFrame = { frame: unknown };

/** The message, with its frame as it travels. */
export type Spliced<Message extends WithFrame> = Omit<Message, "frame"> & {
  readonly frame: WireFrame | undefined;
};

/** The message to send, with its frame as it travels. */
export type Splicing<Message extends WithFrame> = Omit<Message, "frame"> & {
  readonly frame: OutgoingFrame | undefined;
};

/** The codec of a message whose field 15 is a Frame: the generated one for all of it but the frame. */
export interface FrameCodec<Message extends WithFrame> {
  /** @throws whatever the generated code throws; MalformedMessage */
  decode(bytes: Uint8Array): Spliced<Message>;
  encode(message: Splicing<Message>): { finish(): Rope };
}

const FRAME_FIELD = 15;

export function frameCodec<Message extends WithFrame>(
  generated: GeneratedCodec<Message>,
): FrameCodec<Message> {
  return {
    decode: (bytes) => {
      const { frame, rest } = cutOut(bytes);
      return { ...generated.decode(rest), frame };
    },
    encode: (message) => ({
      finish: () => {
        // Without the frame it is still a message of its type: every field may be absent.
        const head = generated.encode({ ...message, frame: undefined } as unknown as Message);
        const pieces = [head.finish()];
        if (message.frame !== undefined) pieces.push(...encodeFrame(message.frame));
        return new Rope(pieces);
      },
    }),
  };
}

function encodeFrame({ firstSeq, part, rows }: OutgoingFrame): Uint8Array[] {
  let count = 0;
  let bytes = 0;
  for (const row of rows) {
    count += row.count;
    bytes += row.encoded.length;
  }
  const header = frameHeader({ firstSeq, count, part });
  return [frameTag(header.length + bytes), header, ...rows.map((row) => row.encoded)];
}

/** The frame of a message, and the message without it. A frame in several pieces is merged, as proto3 says. */
function cutOut(bytes: Uint8Array): { frame: WireFrame | undefined; rest: Uint8Array } {
  const reader = new WireReader(bytes);
  const bodies: Uint8Array[] = [];
  const others: Uint8Array[] = [];
  while (!reader.atEnd) {
    const begin = reader.position;
    const { field, wireType } = reader.tag();
    if (field === FRAME_FIELD && wireType === WireType.bytes) bodies.push(reader.chunk());
    else {
      reader.skip(field, wireType);
      others.push(bytes.subarray(begin, reader.position));
    }
  }
  const [body] = bodies;
  if (body === undefined) return { frame: undefined, rest: bytes };
  return {
    frame: readFrame(bodies.length === 1 ? body : joined(bodies)),
    rest: others.length === 0 ? noBytes : joined(others),
  };
}

const noBytes = new Uint8Array(0);

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const rope = new Rope(pieces);
  const bytes = new Uint8Array(rope.byteLength);
  rope.copy(bytes, 0);
  return bytes;
}

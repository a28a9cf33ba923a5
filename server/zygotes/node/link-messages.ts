import { writeSync } from "node:fs";
import { LINK } from "./descriptors.js";

/** What fails while a process becomes what its specification says: a step of docs/KEEPER.md. */
export const Step = { rlimit: 7, affinity: 8, workingDir: 10, specification: 14 } as const;
export type Step = (typeof Step)[keyof typeof Step];

/** No packet of the link is longer. */
const MOST_BYTES = 512;

/** The process has become what its specification says. */
export function sayReady(): void {
  send(withTime("S"));
}

/** One that was spawned in advance is there, and waits for its go. As of a fork: when it was asked for, and was there. */
export function sayWaiting(): void {
  const message = Buffer.alloc(17);
  const now = process.hrtime.bigint();
  message.write("B");
  message.writeBigUInt64LE(now, 1);
  message.writeBigUInt64LE(now, 9);
  send(message);
}

/** The target is about to be called. */
export function sayCalling(): void {
  send(withTime("L"));
}

export function sayServing(serving: boolean): void {
  send(Buffer.from(serving ? "R" : "N"));
}

export function sayFailed(step: Step, errno: number): void {
  const message = Buffer.alloc(9);
  message.write("E");
  message.writeUInt32LE(step, 1);
  message.writeUInt32LE(errno, 5);
  send(message);
}

/** Why the worker with this id was not forked. */
export function sayRefused(id: Buffer, errno: number, why: string): void {
  const code = Buffer.alloc(4);
  code.writeUInt32LE(errno);
  send(Buffer.concat([Buffer.from("X"), id, code, Buffer.from(why)]).subarray(0, MOST_BYTES));
}

function withTime(type: string): Buffer {
  const message = Buffer.alloc(9);
  message.write(type);
  message.writeBigUInt64LE(process.hrtime.bigint(), 1);
  return message;
}

/** A link that has ended is no trouble of a worker's: it goes on. */
function send(message: Buffer): void {
  try {
    writeSync(LINK, message);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "EPIPE" || error.code === "ECONNRESET")
  );
}

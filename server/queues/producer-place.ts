import { type DomainError } from "../core/errors.js";
import { resumeExpired } from "./queue-errors.js";

/** Items of a producer that were not stored, by its own sequences. */
export interface RejectedItems {
  readonly first: number;
  readonly last: number;
  readonly error: RejectReason;
}

/** What of an error is told. The error itself, with its stack, would be kept for long and by the thousand. */
export type RejectReason = Pick<DomainError, "code" | "message" | "facts">;

/** How far a producer has come. It outlives its stream, so that the next one goes on from here. */
export class ProducerPlace {
  static readonly rememberedRejects = 1024;

  /** All items up to this one of the producer's sequences are stored, or were rejected. */
  acceptedSeq = 0;
  /** In the order in which they were rejected. A client may not have been told of the last ones. */
  #rejects: RejectedItems[] = [];
  /** Rejects of sequences up to here may have been forgotten. */
  #forgottenSeq = 0;

  /** How many runs of rejects it keeps. */
  get rejects(): number {
    return this.#rejects.length;
  }

  reject(items: RejectedItems): void {
    appendReject(this.#rejects, items);
    if (this.#rejects.length <= ProducerPlace.rememberedRejects) return;
    this.#forgottenSeq = Math.max(this.#forgottenSeq, this.#rejects.shift()?.last ?? 0);
  }

  /**
   * What was rejected after a sequence up to which the client knows.
   *
   * @throws DomainError resume-expired when not all of it is remembered
   */
  rejectsAfter(knownSeq: number): RejectedItems[] {
    if (knownSeq < this.#forgottenSeq) throw resumeExpired(knownSeq);
    return this.#rejects
      .filter(({ last }) => last > knownSeq)
      .map((run) => ({ ...run, first: Math.max(run.first, knownSeq + 1) }));
  }
}

/** Adds what was rejected; what follows the run before, and for the same reason, makes that longer. */
export function appendReject(rejects: RejectedItems[], next: RejectedItems): void {
  const before = rejects.at(-1);
  if (before?.last === next.first - 1 && before.error.code === next.error.code) {
    rejects[rejects.length - 1] = { ...before, last: next.last };
  } else rejects.push(next);
}

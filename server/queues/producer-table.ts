import { type Clock } from "../core/clock.js";
import { ProducerPlace } from "./producer-place.js";
import { type Producer } from "./producer.js";

interface Known {
  readonly place: ProducerPlace;
  /** The stream that is open; undefined when none is. */
  readonly producer: Producer | undefined;
  readonly forgetAt: number;
}

/**
 * The places of producers that have an id, so that a client whose stream broke goes on where it
 * was. Kept while a stream is open, and for a time after it.
 */
export class ProducerTable {
  static readonly rememberMs = 60_000;
  static readonly rememberAtMost = 10_000;
  /** Runs of rejects that all places of ended streams keep together. */
  static readonly rememberRejectsAtMost = 50_000;

  readonly #clock: Clock;
  readonly #open = new Map<string, Known>();
  /** In the order in which their streams ended, which is the order of `forgetAt`. */
  readonly #ended = new Map<string, Known>();
  #endedRejects = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size + this.#ended.size;
  }

  /**
   * Makes the stream of a producer. One that the producer has open is fenced first, so that the
   * place is final.
   *
   * @param key names the producer: its caller, its queue and its id
   * @param make makes the stream from its place; throws if it cannot be
   */
  open(key: string, make: (place: ProducerPlace) => Producer): Producer {
    const known = this.#open.get(key) ?? this.#remembered(key);
    known?.producer?.finish("fenced");
    const place = known?.place ?? new ProducerPlace();
    const producer = make(place);
    this.#forget(key);
    this.#open.set(key, { place, producer, forgetAt: 0 });
    return producer;
  }

  /** The stream has ended: its place is remembered for a time. */
  close(key: string, producer: Producer): void {
    const known = this.#open.get(key);
    if (known?.producer !== producer) return;
    const now = this.#clock.now();
    this.#open.delete(key);
    this.#ended.set(key, {
      place: known.place,
      producer: undefined,
      forgetAt: now + ProducerTable.rememberMs,
    });
    this.#endedRejects += known.place.rejects;
    for (const [oldest, { forgetAt }] of this.#ended) {
      if (!this.#hasTooMany && now < forgetAt) return;
      this.#forget(oldest);
    }
  }

  get #hasTooMany(): boolean {
    const { rememberAtMost, rememberRejectsAtMost } = ProducerTable;
    return this.#ended.size > rememberAtMost || this.#endedRejects > rememberRejectsAtMost;
  }

  /** Of one whose stream has ended: its place does not change. */
  #forget(key: string): void {
    this.#endedRejects -= this.#ended.get(key)?.place.rejects ?? 0;
    this.#ended.delete(key);
  }

  #remembered(key: string): Known | undefined {
    const known = this.#ended.get(key);
    return known !== undefined && this.#clock.now() < known.forgetAt ? known : undefined;
  }
}

import { type ProcessUid } from "../core/ids.js";

/** What the workers of a pool come from. */
export interface WarmSource {
  /** The zygote that they are forked from; null where they are spawned. */
  readonly server: ProcessUid | null;
  readonly generation: number;
}

/** What a pool does to the world. */
export interface WarmPoolPort {
  newUid(): ProcessUid;
  hold(uid: ProcessUid, source: WarmSource): void;
  kill(uid: ProcessUid): void;
  /** It is not the pool's any more: it was taken or ended, or has died. */
  left(uid: ProcessUid): void;
}

/** How many are made ahead at once: refilling must not be in the way of those who wait. */
const MAX_ON_THE_WAY = 2;

/** Workers of one template that were made before anybody asked for them, all of one source. */
export class WarmPool {
  readonly #port: WarmPoolPort;
  /** Whoever has waited longest is the first. */
  readonly #ready = new Set<ProcessUid>();
  readonly #onTheWay = new Set<ProcessUid>();
  #size = 0;
  #source: WarmSource | null = null;

  constructor(port: WarmPoolPort) {
    this.#port = port;
  }

  get ready(): number {
    return this.#ready.size;
  }

  get source(): WarmSource | null {
    return this.#source;
  }

  /** From now on it keeps `size` workers of this source; those of another one are ended, and those that are too many. */
  serve(source: WarmSource | null, size: number): void {
    this.#size = size;
    const others = isSame(source, this.#source) ? [] : [...this.#ready, ...this.#onTheWay];
    this.#source = source;
    for (const uid of others) this.#end(uid);
    for (const uid of [...this.#ready].slice(size)) this.#end(uid);
  }

  take(): ProcessUid | undefined {
    const [uid] = this.#ready;
    if (uid !== undefined) this.noteGone(uid);
    return uid;
  }

  noteBorn(uid: ProcessUid): void {
    if (!this.#onTheWay.has(uid) || this.#ready.size >= this.#size) {
      this.#end(uid);
      return;
    }
    this.#onTheWay.delete(uid);
    this.#ready.add(uid);
  }

  /** It died, or was never born. */
  noteGone(uid: ProcessUid): void {
    if (this.#onTheWay.delete(uid) || this.#ready.delete(uid)) this.#port.left(uid);
  }

  /** What the keeper says of each now: it waits, it is not born yet, or there is none any more. */
  reconcile(stageOf: (uid: ProcessUid) => "held" | "starting" | "gone"): void {
    for (const uid of [...this.#ready, ...this.#onTheWay]) {
      const stage = stageOf(uid);
      if (stage === "gone") this.noteGone(uid);
      // Nobody was told of its birth.
      else if (stage === "held" && this.#onTheWay.has(uid)) this.noteBorn(uid);
    }
  }

  /** When what makes them has nothing else to do. */
  refill(): void {
    while (
      this.#source !== null &&
      this.#onTheWay.size < MAX_ON_THE_WAY &&
      this.#ready.size + this.#onTheWay.size < this.#size
    ) {
      const uid = this.#port.newUid();
      this.#onTheWay.add(uid);
      try {
        this.#port.hold(uid, this.#source);
      } catch {
        // The keeper is away: what there is now is not known until it is back.
        this.noteGone(uid);
        return;
      }
    }
  }

  #end(uid: ProcessUid): void {
    this.noteGone(uid);
    this.#port.kill(uid);
  }
}

function isSame(one: WarmSource | null, other: WarmSource | null): boolean {
  return one?.server === other?.server && one?.generation === other?.generation;
}

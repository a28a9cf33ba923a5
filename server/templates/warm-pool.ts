import { type ProcessUid } from "../core/ids.js";
import { type Zygote } from "./template-state.js";

/** What a pool does to the world. */
export interface WarmPoolPort {
  newUid(): ProcessUid;
  hold(uid: ProcessUid, server: ProcessUid): void;
  kill(uid: ProcessUid): void;
  /** It is not the pool's any more: it was taken or ended, or has died. */
  left(uid: ProcessUid): void;
}

/** How many are forked ahead at once: refilling must not be in the way of those who wait. */
const MAX_ON_THE_WAY = 2;

/** Workers of one template that were forked before anybody asked for them, all of one zygote. */
export class WarmPool {
  readonly #port: WarmPoolPort;
  /** Whoever has waited longest is the first. */
  readonly #ready = new Set<ProcessUid>();
  readonly #onTheWay = new Set<ProcessUid>();
  #size = 0;
  #server: Zygote | null = null;

  constructor(port: WarmPoolPort) {
    this.#port = port;
  }

  get ready(): number {
    return this.#ready.size;
  }

  /** The zygote that they are forked from. */
  get server(): ProcessUid | null {
    return this.#server?.uid ?? null;
  }

  /** From now on it keeps `size` workers of this zygote; those of another one are ended. */
  serve(server: Zygote | null, size: number): void {
    this.#size = size;
    if (server?.uid === this.#server?.uid) return;
    this.#server = server;
    for (const uid of [...this.#ready, ...this.#onTheWay]) {
      this.noteGone(uid);
      this.#port.kill(uid);
    }
  }

  take(): { readonly uid: ProcessUid; readonly generation: number } | undefined {
    const [uid] = this.#ready;
    if (uid === undefined || this.#server === null) return undefined;
    this.noteGone(uid);
    return { uid, generation: this.#server.generation };
  }

  noteBorn(uid: ProcessUid): void {
    if (this.#onTheWay.delete(uid)) this.#ready.add(uid);
    else this.#port.kill(uid);
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

  /** When the fork server has nothing else to do. */
  refill(): void {
    while (
      this.#server !== null &&
      this.#onTheWay.size < MAX_ON_THE_WAY &&
      this.#ready.size + this.#onTheWay.size < this.#size
    ) {
      const uid = this.#port.newUid();
      this.#onTheWay.add(uid);
      try {
        this.#port.hold(uid, this.#server.uid);
      } catch {
        // The keeper is away: what there is now is not known until it is back.
        this.noteGone(uid);
        return;
      }
    }
  }
}

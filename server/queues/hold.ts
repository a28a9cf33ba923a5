import { compactRun, splitRun, type ItemRun } from "./item-run.js";

/** How many items, how many bytes they have, and what they take of the budget of all queues. */
export interface Amount {
  readonly items: number;
  readonly bytes: number;
  readonly cost: number;
}

/** What one taker has been sent and has not taken, in the order in which it was sent. */
export class Hold {
  #runs: ItemRun[] = [];
  #sent = 0;
  #sentBytes = 0;
  #taken = 0;
  #bytes = 0;

  /** Items sent since the beginning. */
  get sent(): number {
    return this.#sent;
  }

  /** Bytes of items sent since the beginning. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  get taken(): number {
    return this.#taken;
  }

  get untaken(): number {
    return this.#sent - this.#taken;
  }

  get untakenBytes(): number {
    return this.#bytes;
  }

  add(runs: readonly ItemRun[]): void {
    for (const run of runs) {
      this.#runs.push(run);
      this.#sent += run.items.count;
      this.#sentBytes += run.items.bytes;
      this.#bytes += run.items.bytes;
    }
  }

  /** Lets go of all items up to this total; says how many that were, none for a total from before. */
  take(total: number): Amount {
    if (total > this.#sent) throw new Error(`${total} items cannot be taken of ${this.#sent} sent`);
    const items = Math.max(0, total - this.#taken);
    let bytes = 0;
    let cost = 0;
    let whole = 0;
    for (let left = items; left > 0;) {
      const run = this.#runs[whole];
      if (run === undefined) throw new Error(`A hold lacks ${left} of its items`);
      if (run.items.count <= left) {
        left -= run.items.count;
        bytes += run.items.bytes;
        cost += run.cost;
        whole++;
      } else {
        const [part, rest] = splitRun(run, run.items.split(left));
        this.#runs[whole] = compactRun(rest);
        bytes += part.items.bytes;
        cost += part.cost;
        left = 0;
      }
    }
    this.#runs.splice(0, whole);
    this.#taken += items;
    this.#bytes -= bytes;
    return { items, bytes, cost };
  }

  /** Ends the hold and hands out what was untaken. */
  release(): readonly ItemRun[] {
    const runs = this.#runs;
    this.#runs = [];
    this.#sent = this.#taken;
    this.#bytes = 0;
    return runs;
  }
}

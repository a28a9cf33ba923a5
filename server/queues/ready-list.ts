import { type FrameLimits, MAX_ENCODED_ITEMS_BYTES } from "./frame-limits.js";
import { type Amount } from "./hold.js";
import { compactRun, splitRun, type ItemRun } from "./item-run.js";

/**
 * The items that nobody has, always ordered by sequence, so that what comes back is in its old
 * place.
 *
 * Appending and removing at the front take constant time per run. Putting back takes time
 * proportional to the runs with smaller sequences, which are few: only other items that came back.
 */
export class ReadyList {
  #runs: (ItemRun | undefined)[] = [];
  #head = 0;
  #items = 0;
  #bytes = 0;

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The run with the smallest sequences. */
  get first(): ItemRun | undefined {
    return this.#runs[this.#head];
  }

  /** Adds items with larger sequences than all others that there ever were. */
  append(run: ItemRun): void {
    this.#runs.push(run);
    this.#count(run, 1);
  }

  /** Puts a run back in its place. */
  putBack(run: ItemRun): void {
    let place = this.#head;
    for (let at = this.#runs[place]; at !== undefined && at.firstSeq < run.firstSeq;) {
      at = this.#runs[++place];
    }
    if (this.#head === 0) {
      // Room in front for as many runs as there are, so that growing costs constant time each.
      const room = Math.max(16, this.#runs.length);
      this.#runs = [...new Array<undefined>(room), ...this.#runs];
      this.#head = room;
      place += room;
    }
    this.#runs.copyWithin(this.#head - 1, this.#head, place);
    this.#runs[place - 1] = run;
    this.#head--;
    this.#count(run, 1);
  }

  /**
   * Removes from the front what may travel in one frame: at least one item, even if it is too large
   * for any frame, and none after a gap in the sequence. Empty when the list is.
   */
  take(limits: FrameLimits): readonly ItemRun[] {
    const taken: ItemRun[] = [];
    let items = 0;
    let bytes = 0;
    let encodedBytes = 0;
    let nextSeq: number | undefined;
    for (let run = this.first; run !== undefined; run = this.first) {
      if (nextSeq !== undefined && run.firstSeq !== nextSeq) break;
      const split = run.items.splitWithin({
        items: limits.items - items,
        bytes: limits.bytes - bytes,
        encodedBytes: MAX_ENCODED_ITEMS_BYTES - encodedBytes,
      });
      const [first, others] = split[0].count === 0 && items === 0 ? run.items.split(1) : split;
      if (first.count === 0) break;
      const whole = others.count === 0;
      const [part, rest] = whole ? [run, undefined] : splitRun(run, [first, others]);
      taken.push(part);
      items += first.count;
      bytes += first.bytes;
      encodedBytes += first.encoded.length;
      nextSeq = part.firstSeq + first.count;
      if (rest === undefined) this.#dropFirst();
      else this.#runs[this.#head] = compactRun(rest);
      this.#count(part, -1);
      if (!whole) break;
    }
    return taken;
  }

  /** Removes everything, and says what it was. */
  clear(): Amount {
    let cost = 0;
    for (const run of this.#runs) cost += run?.cost ?? 0;
    const cleared = { items: this.#items, bytes: this.#bytes, cost };
    this.#runs = [];
    this.#head = 0;
    this.#items = 0;
    this.#bytes = 0;
    return cleared;
  }

  #dropFirst(): void {
    this.#runs[this.#head++] = undefined;
    if (this.#head < this.#runs.length) {
      // Moving the tail once as many slots are empty as full costs constant time per run.
      if (this.#head <= 64 || this.#head * 2 < this.#runs.length) return;
      this.#runs = this.#runs.slice(this.#head);
    } else {
      this.#runs = [];
    }
    this.#head = 0;
  }

  #count(run: ItemRun, sign: 1 | -1): void {
    this.#items += sign * run.items.count;
    this.#bytes += sign * run.items.bytes;
  }
}

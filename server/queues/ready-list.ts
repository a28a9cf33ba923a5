import { fitsInFrame, type FrameLimits } from "./frame-limits.js";
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
   * Removes from the front what may travel in one frame: at least one item, none after a gap in
   * the sequence. Empty when the list is.
   */
  take(limits: FrameLimits): readonly ItemRun[] {
    const taken: ItemRun[] = [];
    let items = 0;
    let bytes = 0;
    let nextSeq: number | undefined;
    for (let run = this.first; run !== undefined; run = this.first) {
      if (nextSeq !== undefined && run.firstSeq !== nextSeq) break;
      const count = fittingItems(run, items, bytes, limits);
      if (count === 0) break;
      const whole = count === run.items.length;
      const [part, rest] = whole ? [run, undefined] : splitRun(run, count);
      taken.push(part);
      items += count;
      bytes += part.bytes;
      nextSeq = part.firstSeq + count;
      if (rest === undefined) this.#dropFirst();
      else this.#runs[this.#head] = compactRun(rest);
      this.#count(part, -1);
      if (!whole) break;
    }
    return taken;
  }

  /** Removes everything and says how many items that was. */
  clear(): number {
    const items = this.#items;
    this.#runs = [];
    this.#head = 0;
    this.#items = 0;
    this.#bytes = 0;
    return items;
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
    this.#items += sign * run.items.length;
    this.#bytes += sign * run.bytes;
  }
}

/** How many items of the run fit beside those that are there already. */
function fittingItems(run: ItemRun, items: number, bytes: number, limits: FrameLimits): number {
  const fits = (count: number, size: number): boolean =>
    count === 1 || (count <= limits.items && size <= limits.bytes && fitsInFrame(count, size));
  if (fits(items + run.items.length, bytes + run.bytes)) return run.items.length;
  let count = 0;
  let size = bytes;
  for (const item of run.items) {
    size += item.length;
    if (!fits(items + count + 1, size)) break;
    count++;
  }
  return count;
}

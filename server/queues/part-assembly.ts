import { type Items } from "../../wire/items.js";
import { LargeItem } from "../../wire/large-item.js";
import { DomainError, invalidField } from "../core/errors.js";
import { partOutOfOrder } from "./queue-errors.js";

interface Part {
  readonly offset: number;
  readonly itemBytes: number;
}

/** What a part has led to. */
export type PartOutcome =
  | { readonly kind: "more" }
  | { readonly kind: "complete"; readonly items: Items }
  /** The whole item has arrived, and could not be kept. */
  | { readonly kind: "rejected"; readonly error: DomainError };

/** An item that is arriving; without `item` its parts are only counted, as there is no place for it. */
interface Arriving {
  readonly itemBytes: number;
  readonly item: LargeItem | undefined;
  readonly memory: Disposable | undefined;
  readonly error: DomainError | undefined;
  received: number;
}

/**
 * Puts large items of one stream together. Memory for a whole item is reserved with its first part;
 * when there is none, its parts are passed over, and the item is rejected with the last one.
 */
export class PartAssembly implements Disposable {
  readonly #reserve: (itemBytes: number) => Disposable;
  #arriving: Arriving | undefined;

  /** @param reserve throws a DomainError when the item cannot be kept */
  constructor(reserve: (itemBytes: number) => Disposable) {
    this.#reserve = reserve;
  }

  /** The offset of the next part; 0 when no item is arriving. */
  get expected(): number {
    return this.#arriving?.received ?? 0;
  }

  /**
   * @throws DomainError part-out-of-order, invalid-field
   */
  add(items: Items, part: Part): PartOutcome {
    const [piece] = items;
    if (piece === undefined || items.count !== 1 || piece.length === 0) {
      const message = "A frame with a part has one item, which is not empty";
      throw invalidField("frame.items", String(items.count), message);
    }
    if (part.offset !== this.expected) throw partOutOfOrder(part.offset, this.expected);
    const arriving = (this.#arriving ??= this.#begin(part.itemBytes));
    const end = part.offset + piece.length;
    if (part.itemBytes !== arriving.itemBytes || end > arriving.itemBytes) {
      throw partOutOfOrder(end, arriving.itemBytes);
    }
    arriving.item?.add(piece);
    arriving.received = end;
    if (end < arriving.itemBytes) return { kind: "more" };
    this[Symbol.dispose]();
    const whole = arriving.item?.complete();
    if (whole !== undefined) return { kind: "complete", items: whole };
    if (arriving.error === undefined) throw new Error("An item was passed over without a reason");
    return { kind: "rejected", error: arriving.error };
  }

  /** Forgets what has arrived of an item. */
  [Symbol.dispose](): void {
    this.#arriving?.memory?.[Symbol.dispose]();
    this.#arriving = undefined;
  }

  #begin(itemBytes: number): Arriving {
    try {
      const memory = this.#reserve(itemBytes);
      const item = new LargeItem(itemBytes);
      return { itemBytes, item, memory, error: undefined, received: 0 };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return { itemBytes, item: undefined, memory: undefined, error, received: 0 };
    }
  }
}

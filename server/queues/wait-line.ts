interface Place<T> {
  readonly value: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

/**
 * Those who wait, in the order in which they came. Everything takes constant time, also leaving
 * from the middle: a Map would search through those who left for the first that has not.
 */
export class WaitLine<T> {
  readonly #places = new Map<T, Place<T>>();
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;

  get length(): number {
    return this.#places.size;
  }

  get first(): T | undefined {
    return this.#first?.value;
  }

  has(value: T): boolean {
    return this.#places.has(value);
  }

  /** Joins at the end; who is in the line already keeps the place. */
  join(value: T): void {
    if (this.#places.has(value)) return;
    const place: Place<T> = { value, before: this.#last, after: undefined };
    if (this.#last === undefined) this.#first = place;
    else this.#last.after = place;
    this.#last = place;
    this.#places.set(value, place);
  }

  /** Whether it was in the line. */
  leave(value: T): boolean {
    const place = this.#places.get(value);
    if (place === undefined) return false;
    this.#places.delete(value);
    if (place.before === undefined) this.#first = place.after;
    else place.before.after = place.after;
    if (place.after === undefined) this.#last = place.before;
    else place.after.before = place.before;
    return true;
  }

  /** Everyone, in order, out of the line. */
  empty(): T[] {
    const all: T[] = [];
    for (let place = this.#first; place !== undefined; place = place.after) all.push(place.value);
    this.#places.clear();
    this.#first = undefined;
    this.#last = undefined;
    return all;
  }
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeyedStore } from "../../../server/journal/keyed-store.js";

export interface OwnStore<Kept> {
  /** Of the test that runs. */
  readonly directory: string;
  /** Opens the store, with what was left in it before, for as long as it is used. */
  within<T>(use: (kept: Kept, store: KeyedStore) => T | Promise<T>): Promise<T>;
}

/** A store in a directory of its own for each test of a `describe`. */
export function ownStore<Kept>(make: (store: KeyedStore) => Kept): OwnStore<Kept> {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "forkbus-kept-"));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });
  return {
    get directory() {
      return directory;
    },
    async within(use) {
      await using store = await KeyedStore.open({ directory });
      return await use(make(store), store);
    },
  };
}

import { DomainError } from "../../server/core/errors.js";
import type { TemplateRecord, TemplateStore } from "../../server/templates/template-record.js";

/** Templates in memory, and a disk that can be full. Writes settle in the order of the calls. */
export class FakeTemplateStore implements TemplateStore {
  readonly records = new Map<string, TemplateRecord>();
  isFull = false;
  #last: Promise<void> = Promise.resolve();

  save(record: TemplateRecord): Promise<void> {
    return this.#write(() => {
      if (this.isFull) throw new DomainError("disk-full", "No space left");
      this.records.set(record.name, record);
    });
  }

  /** Like the journal, it has a reserve for removals. */
  remove(name: string): Promise<void> {
    return this.#write(() => {
      this.records.delete(name);
    });
  }

  #write(apply: () => void): Promise<void> {
    const written = this.#last.then(apply);
    this.#last = written.catch(() => undefined);
    return written;
  }
}

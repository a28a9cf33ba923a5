import type { CleanupStack } from "../../server/core/cleanup-stack.js";
import { Driver } from "../harness/driver.js";
import {
  type ConsumeCommand,
  consumerAnswer,
  type Load,
  type ProduceCommand,
  producerAnswer,
  rateOf,
} from "./exchange.js";

interface Programs {
  readonly producer: readonly string[];
  readonly consumer: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How many of each. */
  readonly pairs: number;
}

/** What one round tells its producers and consumers. */
export interface Round {
  readonly produce: Pick<ProduceCommand, "queue" | "way">;
  readonly consume: Pick<ConsumeCommand, "queue" | "way">;
  /** When the producers are done: makes the consumers stop once they have everything. */
  readonly finish: () => Promise<void>;
}

/** Producers and consumers, each a process that lives through all rounds. */
export class ProgramPairs {
  readonly #producers: readonly Driver[];
  readonly #consumers: readonly Driver[];

  constructor(resources: CleanupStack, { producer, consumer, env, pairs }: Programs) {
    const start = (commandLine: readonly string[]): readonly Driver[] =>
      Array.from({ length: pairs }, () => resources.use(new Driver(commandLine, env)));
    this.#producers = start(producer);
    this.#consumers = start(consumer);
  }

  /** Moves a load once. Returns items per second. */
  async run(load: Load, { produce, consume, finish }: Round): Promise<number> {
    const { pairs, size, itemsEach: items, forMs } = load;
    const consumed = Promise.all(
      this.#consumers
        .slice(0, pairs)
        .map((driver) => driver.ask({ ...consume, size, total: pairs * items }, consumerAnswer)),
    );
    const produced = Promise.all(
      this.#producers
        .slice(0, pairs)
        .map((driver, producer) =>
          driver.ask({ ...produce, producer, items, size, forMs }, producerAnswer),
        ),
    );
    const [producers, consumers] = await Promise.all([
      produced.then(async (answers) => {
        await finish();
        return answers;
      }),
      consumed,
    ]);
    return rateOf(size, producers, consumers);
  }
}

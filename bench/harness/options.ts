import { Command, Option } from "commander";

export interface BenchmarkOptions {
  /** Print the JSON instead of the table. */
  readonly json: boolean;
  /** Few rounds and little work: shows that the benchmark works, and nothing about speed. */
  readonly quick: boolean;
  /** Texts that the group and name of whom is measured must have. */
  readonly only: readonly string[];
  /** Where our own Node processes leave a CPU profile each. */
  readonly profile: string | undefined;
}

/** Reads a command line. Exits by itself for `--help` and what it does not know. */
export function readOptions(name: string, description: string): BenchmarkOptions {
  const command = new Command(`bench-${name}`)
    .description(`${description}\n\nResults go to bench/out/${name}.json too.`)
    .allowExcessArguments(false)
    .option("--json", "print the JSON instead of the table", false)
    .option("--quick", "little work and few rounds: to see that it runs, not how fast", false)
    .option(
      "--only <text>",
      "only those in whose group and name this is; may be repeated",
      collect,
      [],
    )
    .addOption(
      new Option("--profile <dir>", "have our daemon and clients write CPU profiles there"),
    )
    .parse();
  const { profile, ...given } = command.opts<{
    json: boolean;
    quick: boolean;
    only: readonly string[];
    profile?: string;
  }>();
  return { ...given, profile };
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

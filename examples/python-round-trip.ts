// A producer in Node, a consumer in Python that forkbus starts, and two queues between them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "forkbus";

/** Of the package: examples that are no TypeScript are run where they are. */
export const root = join(import.meta.dirname, "../..");

/** The interpreter that has the Python client, or why there is none: `make demo` has tried to prepare it. */
export function findPython(): { readonly path: string } | { readonly missing: string } {
  const home = join(root, "dist/python");
  const reason = join(home, "unavailable");
  if (existsSync(reason)) return { missing: readFileSync(reason, "utf8").trim() };
  const path = join(home, "venv/bin/python");
  return existsSync(path) ? { path } : { missing: "make it with `make python`" };
}

/** Sends texts to a Python worker, and returns what it answers. */
export async function countWords(
  address: string,
  python: string,
  texts: readonly string[],
): Promise<unknown[]> {
  await using bus = await connect(address);
  await using toPython = await bus.queue({ codec: "json" });
  await using fromPython = await bus.queue({ codec: "json" });
  await using worker = await bus
    .process({
      argv: [python, join(root, "examples/word_counter.py"), toPython.name, fromPython.name],
      env: { FORKBUS_ADDRESS: bus.address },
    })
    .start();
  console.log(`forkbus started Python as process ${worker.pid ?? "unknown"}`);

  for (const text of texts) {
    await toPython.put(text);
    console.log(`Node put ${JSON.stringify(text)}`);
  }
  await toPython.shutdown();

  const answers: unknown[] = [];
  for await (const answer of fromPython) {
    console.log(`Python answered ${JSON.stringify(answer)}`);
    answers.push(answer);
  }
  await worker.join();
  console.log(`Python ended with exit code ${worker.exitCode ?? "unknown"}`);
  if (worker.exitCode !== 0) throw new Error(await worker.stderr.text());
  return answers;
}

import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Mocha from "mocha";

/** Runs the compiled tests of one folder, and writes the counts to a file. */
const [folder = "", tally = ""] = process.argv.slice(2);
const isSoak = process.env["FORKBUS_SOAK"] !== undefined;

const mocha = new Mocha({ timeout: isSoak ? 1_800_000 : 120_000, forbidOnly: true });
for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
  if (file.endsWith(".test.js")) mocha.addFile(join(folder, file));
}
await mocha.loadFilesAsync();
const runner = mocha.run((failures) => {
  const { passes, pending } = runner.stats ?? { passes: 0, pending: 0 };
  writeFileSync(tally, JSON.stringify({ passes, failures, pending }));
  // What a test left running must not keep the suite from ending; leaks are looked for by tests.
  process.exit(failures > 0 ? 1 : 0);
});

// Starts /bin/true through the daemon at $FORKBUS_ADDRESS; with `null` its output is thrown away, as the rivals do.
import { connect } from "forkbus";
import { driveStarts } from "./starts.js";

const output = process.argv[2] === "null" ? "null" : "keep";
await using bus = await connect();
await driveStarts(async () => {
  const worker = await bus.process({ argv: ["/bin/true"], stdout: output, stderr: output }).start();
  await worker.join();
  if (worker.exitCode !== 0) throw new Error(`/bin/true: exit code ${String(worker.exitCode)}`);
});

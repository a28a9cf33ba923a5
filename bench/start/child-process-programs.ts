// Starts /bin/true with Node's child_process.spawn.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { driveStarts } from "./starts.js";

await driveStarts(async () => {
  const child = spawn("/bin/true", { stdio: "ignore" });
  await once(child, "exit");
  if (child.exitCode !== 0) throw new Error(`/bin/true: exit code ${child.exitCode ?? "none"}`);
});

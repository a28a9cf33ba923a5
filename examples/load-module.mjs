// What child_process.fork has to do for each worker that needs a library: load it. See examples/warm-functions.ts.
import process from "node:process";

await import(process.argv[2]);
process.send("loaded");
process.disconnect();

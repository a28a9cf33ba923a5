// Functions of Python and Node, called in workers that are forked from warm templates, and how long that takes.
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Client, connect, type Process } from "forkbus";

const here = join(import.meta.dirname, "../../examples");
const modulePath = [here];
const pythonModules = ["text_statistics", "asyncio", "sqlite3", "email"];
const text = "to be or not to be that is the question";

/** Calls a Python function, and compares with a fresh interpreter that loads the same modules. */
export async function callPython(bus: Client): Promise<unknown> {
  const template = await bus.templates.ensure({
    name: "examples/text",
    runtime: "python",
    preload: pythonModules,
    modulePath,
  });
  const loadMs = template.report?.modules.reduce((sum, { loadMs }) => sum + loadMs, 0) ?? 0;
  console.log(`A Python template has loaded its modules in ${loadMs.toFixed(0)} ms, once`);
  await using worker = await bus.spawn({
    python: "text_statistics:most_common_words",
    args: [text],
    template,
    modulePath,
  });
  const words = await worker.result();
  const rival = await timeOfPython();
  console.log(
    `Python answered ${JSON.stringify(words)}; ${howStarted(worker)} (child_process.spawn: ${rival.toFixed(0)} ms)`,
  );
  return words;
}

/** Calls a Node function that needs a large library, and compares with child_process.fork of a program that loads it. */
export async function callNode(bus: Client): Promise<unknown> {
  const template = await bus.templates.ensure({
    name: "examples/typescript",
    runtime: "node",
    preload: [join(here, "syntax-count.mjs")],
    modulePath,
  });
  await using worker = await bus.spawn({
    node: join(here, "syntax-count.mjs#syntaxNodes"),
    args: ["const answer: number = 6 * 7;"],
    template,
    modulePath,
  });
  const nodes = await worker.result();
  const rival = await timeOfChildProcess(join(here, "syntax-count.mjs"));
  console.log(
    `Node answered ${JSON.stringify(nodes)}; ${howStarted(worker)} (child_process.fork: ${rival.toFixed(0)} ms)`,
  );
  return nodes;
}

function howStarted({ startMethod, startTimings }: Process): string {
  const verb = startMethod === "spawn" ? "spawned" : "forked";
  return `${verb} in ${startTimings?.totalMs.toFixed(1) ?? "?"} ms`;
}

/** From the order to start Python until it has loaded the same modules. */
async function timeOfPython(): Promise<number> {
  const script = `import ${pythonModules.join(", ")}; print("loaded", flush=True)`;
  const begun = performance.now();
  const child = spawn("python3", ["-c", script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PYTHONPATH: here },
  });
  const isLoaded = await Promise.race([
    once(child.stdout, "data").then(() => true),
    once(child, "exit").then(() => false),
  ]);
  if (!isLoaded) throw new Error("The modules cannot be loaded");
  return performance.now() - begun;
}

/** From the order to fork a Node process until it has loaded the same module. */
async function timeOfChildProcess(module: string): Promise<number> {
  const begun = performance.now();
  const child = fork(join(here, "load-module.mjs"), [module]);
  const isLoaded = await Promise.race([
    once(child, "message").then(() => true),
    once(child, "exit").then(() => false),
  ]);
  if (!isLoaded) throw new Error(`The module ${module} cannot be loaded`);
  return performance.now() - begun;
}

if (import.meta.filename === process.argv[1]) {
  await using bus = await connect();
  await callPython(bus);
  await callNode(bus);
}

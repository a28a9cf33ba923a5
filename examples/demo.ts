// forkbus at its main job: what `make demo` shows. Everything below happens on real processes, on a private socket.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { connect } from "forkbus";
import { countWords, findPython, root } from "./python-round-trip.js";
import { callNode, callPython } from "./warm-functions.js";

const cli = join(import.meta.dirname, "../cli/main.js");
const directory = mkdtempSync(join(tmpdir(), "forkbus-demo-"));
const socket = join(directory, "run/forkbus.sock");
const env = { ...process.env, FORKBUS_ADDRESS: `unix:${socket}` };

function heading(text: string): void {
  console.log(
    `\n\u001b[1m# ${text}\u001b[0m`.replace(/\u001b\[\dm/g, process.stdout.isTTY ? "$&" : ""),
  );
}

/** Runs `forkbus ARGS`, shows it, and insists on how it ends. */
function forkbus(
  args: readonly string[],
  expected: { code?: number; input?: string } = {},
): string {
  const shown = args.map((arg) => (/[\s'"$;|]/.test(arg) ? `'${arg}'` : arg)).join(" ");
  const before = expected.input === undefined ? "" : `printf ${JSON.stringify(expected.input)} | `;
  console.log(`$ ${before}forkbus ${shown}`);
  return run(process.execPath, [cli, ...args], expected);
}

function run(
  program: string,
  args: readonly string[],
  { code = 0, input }: { code?: number; input?: string },
): string {
  const result = spawnSync(program, args, {
    env,
    encoding: "utf8",
    ...(input === undefined ? { stdio: ["ignore", "pipe", "pipe"] } : { input }),
  });
  process.stdout.write(result.stdout + result.stderr);
  if (result.status !== code) {
    throw new Error(`Expected exit code ${code}, got ${result.status ?? result.signal ?? "none"}`);
  }
  if (code !== 0) console.log(`[exit code ${code}]`);
  return result.stdout;
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Expected ${what}`);
}

async function startDaemon(): Promise<ChildProcess> {
  const log = openSync(join(directory, "daemon.log"), "a");
  const args = ["serve", "--state-dir", join(directory, "state"), "--listen", `unix:${socket}`];
  const daemon = spawn(process.execPath, [cli, ...args], { stdio: ["ignore", log, log] });
  closeSync(log);
  // Each attempt fails at once while nobody listens; a daemon that cannot start ends.
  for (;;) {
    if (daemon.exitCode !== null)
      throw new Error(readFileSync(join(directory, "daemon.log"), "utf8"));
    try {
      await using bus = await connect(env.FORKBUS_ADDRESS);
      console.log(`The daemon listens at ${bus.address}`);
      return daemon;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function end(daemon: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const ended = once(daemon, "exit");
  daemon.kill(signal);
  await ended;
}

/** The daemon itself: `forkbus serve` waits beside it, and goes when it goes. */
async function daemonPid(): Promise<number> {
  await using bus = await connect(env.FORKBUS_ADDRESS);
  return (await bus.admin.getServerStatus({})).pid;
}

async function demo(): Promise<void> {
  heading("A daemon of our own, on a private socket");
  let daemon = await startDaemon();
  try {
    heading("A parent, two child processes, and a queue between them");
    const hello = run(
      process.execPath,
      [join(import.meta.dirname, "hello-multiprocessing.js")],
      {},
    );
    expect(
      hello ===
        "Parent Process started\nMessage by Child Proc 1\nMessage by Child Proc 2\nParent Process Exiting\n",
      "exactly these four lines",
    );

    heading("A producer in Node, a consumer in Python");
    const python = findPython();
    if ("path" in python) {
      const texts = ["to be or not to be", "that is the question"];
      const answers = await countWords(env.FORKBUS_ADDRESS, python.path, texts);
      const expected = texts.map((text) => ({ text, words: text.split(" ").length }));
      expect(isDeepStrictEqual(answers, expected), "an answer for each text, in order");
    } else {
      console.log(`Skipped: the Python client, ${python.missing}`);
    }

    heading("Functions of Python and Node, in workers that are forked with everything loaded");
    {
      await using bus = await connect(env.FORKBUS_ADDRESS);
      if ("path" in python) {
        const words = await callPython(bus);
        const common = [
          ["to", 2],
          ["be", 2],
          ["or", 1],
        ];
        expect(isDeepStrictEqual(words, common), "the three most common words");
      }
      expect((await callNode(bus)) === 11, "all nodes of the syntax tree");
    }
    if ("path" in python) {
      const answer = run(python.path, [join(root, "examples/call_node.py")], {});
      expect(answer.startsWith("Node answered 11; "), "the same answer in Python");
    }

    heading("A worker in a pipeline: its input, output and exit code are ours");
    const sorted = forkbus(["run", "--", "sh", "-c", "sort | nl"], { input: "pear\nfig\napple\n" });
    expect(/1\s+apple\n\s+2\s+fig\n\s+3\s+pear/.test(sorted), "sorted and numbered lines");
    forkbus(["run", "--", "sh", "-c", "echo this one fails >&2; exit 3"], { code: 3 });

    heading("Workers in the background, each pinned to a CPU");
    forkbus(["run", "-d", "--name", "left", "--", "sleep", "1000"]);
    forkbus(["run", "-d", "--name", "right", "--", "sleep", "1000"]);
    forkbus(["run", "-d", "--name", "everywhere", "--cpus", "0", "--", "sleep", "1000"]);
    forkbus(["ps", "--all"]);
    forkbus(["stop", "left", "right", "everywhere"]);

    heading("The daemon dies under a running worker: kill -9");
    const finish = join(directory, "finish");
    const script = `until [ -e ${finish} ]; do echo still here; sleep 0.2; done; exit 42`;
    forkbus(["run", "-d", "--name", "survivor", "--", "sh", "-c", script]);
    const pid = await daemonPid();
    console.log(`$ kill -9 ${pid}`);
    process.kill(pid, "SIGKILL");
    if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, "exit");
    daemon = await startDaemon();
    const listed = forkbus(["ps"]);
    expect(/survivor\s+running/.test(listed), "the worker to run on");
    console.log(`$ touch ${finish}`);
    writeFileSync(finish, "");
    const status = forkbus(["wait", "survivor"], { code: 42 });
    expect(status.includes("42"), "the true exit code");
    const logs = forkbus(["logs", "-n", "2", "survivor"]);
    expect(logs.startsWith("still here"), "its output");

    heading("The end");
    const last = await daemonPid();
    await end(daemon, "SIGTERM");
    console.log(
      `The daemon, process ${last}, has stopped with exit code ${daemon.exitCode ?? "none"}.`,
    );
    expect(daemon.exitCode === 0, "a clean stop");
  } finally {
    await end(daemon, "SIGTERM");
  }
}

try {
  await demo();
  console.log("All of this was so.");
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  console.error(readFileSync(join(directory, "daemon.log"), "utf8"));
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

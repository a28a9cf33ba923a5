/** What a worker may do to itself and to others, in both languages. */
const PYTHON = `
import json, os, resource, subprocess, sys, threading, time
def size(data):
    return len(data)
def large(count):
    return b"x" * count
def unspeakable():
    return object()
def surroundings():
    mask = os.umask(0)
    return {
        "cwd": os.getcwd(), "umask": mask, "cpus": sorted(os.sched_getaffinity(0)),
        "files": list(resource.getrlimit(resource.RLIMIT_NOFILE)),
        "env": os.environ.get("COLOUR"), "session": os.getsid(0) == os.getpid(),
    }
def echo():
    return sys.stdin.read()
def both():
    for i in range(50):
        print("out", i, flush=True)
        print("err", i, file=sys.stderr, flush=True)
def stray(path, detach, stay):
    """A grandchild in a session of its own, whose parent has gone."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            if detach:
                os.environ.pop("COLOUR", None)
            with open(path, "w") as file:
                file.write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    os.wait()
    while not (os.path.exists(path) and os.path.getsize(path)):
        time.sleep(0.005)
    if stay:
        time.sleep(600)
def stay():
    time.sleep(600)
def with_thread():
    threading.Thread(target=time.sleep, args=(600,), daemon=True, name="busy-bee").start()
    import _forkbus_zygote
    try:
        _forkbus_zygote.current().serve_forks()
    except RuntimeError as error:
        return str(error)
def serve():
    import _forkbus_zygote
    _forkbus_zygote.current().serve_forks()
`;

const NODE = `
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
export const size = (data) => data.length;
export const large = (count) => Buffer.alloc(count, "x");
export const unspeakable = () => { const ring = {}; ring.ring = ring; return ring; };
export function surroundings() {
  const status = readFileSync("/proc/self/status", "utf8");
  const limits = /^Max open files +(\\d+) +(\\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  const cpus = /^Cpus_allowed_list:\\s*(.*)$/m.exec(status)[1].split(",").flatMap((part) => {
    const [from, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
  const stat = readFileSync("/proc/self/stat", "utf8");
  return {
    cwd: process.cwd(), umask: process.umask(), cpus, files: limits.slice(1).map(Number),
    env: process.env.COLOUR, session: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3] === String(process.pid),
  };
}
export async function echo() {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return text;
}
export function both() {
  for (let i = 0; i < 50; i++) {
    console.log("out", i);
    console.error("err", i);
  }
}
export async function stray(path, detach, stay) {
  const env = { ...process.env };
  if (detach) delete env.COLOUR;
  const script = 'setsid sh -c "echo \\\\$\\\\$ > ' + path + '; exec sleep 600" & exit 0';
  spawn("sh", ["-c", script], { detached: true, stdio: "ignore", env }).unref();
  while (!(existsSync(path) && statSync(path).size > 0)) await delay(5);
  if (stay) await delay(600_000);
}
export const stay = () => delay(600_000);
export const serve = () => globalThis[Symbol.for("forkbus.worker")].serveForks();
`;

export const ACTS = { "acts.py": PYTHON, "acts.mjs": NODE };

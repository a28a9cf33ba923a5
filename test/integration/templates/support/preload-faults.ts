import assert from "node:assert/strict";
import { type TemplateFailure, type TemplateOptions } from "../../../../client/typescript/index.js";

/** A preload that does something wrong, where that can be said in the language. */
export interface Fault {
  readonly python?: string;
  readonly node?: string;
  /** Besides the preload. */
  readonly options?: Partial<TemplateOptions>;
  readonly message: RegExp;
  /** Of the exception; undefined when nothing was raised. */
  readonly raises?: string;
  readonly inDetail?: (failure: TemplateFailure, directory: string) => void;
}

/** By what they do; they are modules called `fault`. */
export const PRELOAD_FAULTS: Readonly<Record<string, Fault>> = {
  "raises, with a traceback": {
    python: "def deep():\n    raise LookupError('no such thing')\ndeep()",
    node: "function deep() { throw new LookupError('no such thing'); }\nclass LookupError extends Error { name = 'LookupError'; }\ndeep();",
    message: /no such thing/,
    raises: "LookupError",
    inDetail: ({ exception, module }) => {
      assert.match(exception?.traceback ?? "", /deep/);
      assert.doesNotMatch(exception?.traceback ?? "", /zygotes\/python|importlib/);
      assert.match(module, /fault/);
    },
  },
  "cannot be parsed": {
    python: "def (:",
    node: "export const = ;",
    message: /SyntaxError/,
    raises: "SyntaxError",
  },
  "needs what is not there": {
    python: "import forkbus_has_no_such_module",
    node: "import 'forkbus-has-no-such-package';",
    message: /forkbus.has.no.such/,
  },
  hangs: {
    python: "import time\ntime.sleep(600)",
    node: "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
    options: { preloadTimeoutMs: 1000 },
    message: /not done within 1000 ms/,
  },
  "hangs, and ignores every signal that it can": {
    python: "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)",
    node: "process.on('SIGTERM', () => {});\nAtomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
    options: { preloadTimeoutMs: 1000 },
    message: /not done within 1000 ms/,
  },
  "never settles": {
    node: "await new Promise((resolve) => setTimeout(resolve, 600_000));",
    options: { preloadTimeoutMs: 1000 },
    message: /not done within 1000 ms/,
  },
  "leaves a thread": {
    python:
      "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True, name='left-behind').start()",
    node: "import { Worker } from 'node:worker_threads';\nnew Worker('setTimeout(() => {}, 600000)', { eval: true, name: 'left-behind' });\nawait new Promise((resolve) => setTimeout(resolve, 100));",
    message: /thread/,
    inDetail: ({ threads }) => {
      assert.ok(threads.length > 0);
    },
  },
  "leaves a file open": {
    python: "kept = open(__file__ + '.log', 'w')",
    node: "import { openSync } from 'node:fs';\nimport { fileURLToPath } from 'node:url';\nopenSync(fileURLToPath(import.meta.url) + '.log', 'w');",
    message: /\.log/,
    inDetail: ({ openFiles }, directory) => {
      assert.equal(openFiles.length, 1);
      assert.ok(openFiles[0]?.includes(directory), openFiles[0]);
    },
  },
  "leaves a socket open": {
    python: "import socket\nkept = socket.socket()",
    node: "import { createServer } from 'node:net';\nawait new Promise((resolve) => createServer().listen(0, '127.0.0.1', resolve));",
    message: /socket|TCP/i,
  },
  "leaves a pipe open": {
    python: "import os\nkept = os.pipe()",
    message: /pipe/,
    inDetail: ({ openFiles }) => {
      assert.equal(openFiles.length, 2);
    },
  },
  "leaves a timer": {
    node: "setInterval(() => {}, 1000);",
    message: /Timeout|timer/i,
  },
  "leaves a database open": {
    python:
      "import sqlite3\nkept = sqlite3.connect(__file__ + '.db')\nkept.execute('create table t (x)')",
    message: /\.db/,
    inDetail: ({ openFiles }, directory) => {
      assert.equal(openFiles.length, 1);
      assert.ok(openFiles[0]?.includes(directory), openFiles[0]);
    },
  },
  "starts a program that stays": {
    python: "import subprocess\nkept = subprocess.Popen(['sleep', '600'])",
    node: "import { spawn } from 'node:child_process';\nspawn('sleep', ['600'], { stdio: 'ignore' });",
    message: /ProcessWrap|sleep \(\d+\)/,
  },
  "exits by itself": {
    python: "import sys\nsys.exit(3)",
    node: "process.exit(3);",
    message: /SystemExit|ended the process with code 3/,
  },
  "leaves without a word": {
    python: "import os, sys\nprint('last words', file=sys.stderr, flush=True)\nos._exit(3)",
    node: "import { writeSync } from 'node:fs';\nwriteSync(2, 'last words\\n');\nprocess.reallyExit(3);",
    message: /exited with 3/,
    inDetail: ({ stderrTail }) => {
      assert.match(stderrTail, /last words/);
    },
  },
  "kills itself": {
    python: "import os\nos.kill(os.getpid(), 9)",
    node: "process.kill(process.pid, 'SIGKILL');",
    message: /was killed by SIGKILL/,
  },
  crashes: {
    python: "import ctypes\nctypes.string_at(0)",
    node: "process.abort();",
    message: /was killed by SIG(SEGV|ABRT)/,
  },
  "prints without end before it fails": {
    python:
      "import sys\nfor stream in (sys.stdout, sys.stderr):\n    stream.write('x' * (8 << 20) + 'the end')\n    stream.flush()\nraise LookupError('after all')",
    node: "import { writeSync } from 'node:fs';\nfor (const stream of [1, 2]) { writeSync(stream, 'x'.repeat(8 << 20)); writeSync(stream, 'the end'); }\nthrow new Error('after all');",
    message: /after all/,
    inDetail: ({ stderrTail }) => {
      assert.ok(stderrTail.length <= 64 * 1024, String(stderrTail.length));
      assert.match(stderrTail, /the end/);
    },
  },
  "raises what cannot be shown": {
    python:
      "class Bad(Exception):\n    def __str__(self):\n        raise ValueError('no text')\n    __repr__ = __str__\nraise Bad()",
    node: "throw { get message() { throw new Error('no text'); }, toString() { throw new Error('no text'); }, [Symbol.for('nodejs.util.inspect.custom')]() { throw new Error('no text'); } };",
    message: /./,
  },
  "raises with a text without end": {
    python: "raise LookupError('x' * (4 << 20))",
    node: "throw new Error('x'.repeat(4 << 20));",
    message: /xxxx/,
    inDetail: ({ exception }) => {
      assert.ok((exception?.message.length ?? 0) <= 64 * 1024);
    },
  },
  "is followed by an init that raises": {
    python: "def begin(text):\n    raise LookupError(text)",
    node: "export function begin(text) { throw new RangeError(text); }",
    options: { init: { function: "fault:begin", args: ["not today"] } },
    message: /not today/,
  },
  "is followed by an init that is not there": {
    python: "",
    node: "",
    options: { init: { function: "fault:nothing" } },
    message: /nothing/,
  },
  "is followed by an init with arguments that cannot be read": {
    python: "def begin(text):\n    pass",
    node: "export function begin(text) {}",
    options: {
      init: { function: "fault:begin", payload: { data: Buffer.from("{"), encoding: "json" } },
    },
    message: /./,
  },
};

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { z } from "zod";

/** No command takes nearly as long; a driver that hangs must not hang the benchmark. */
const answerWithinMs = 180_000;
/** One that is asked to end in the midst of its work does not hear it. */
const endWithinMs = 5_000;

interface Asked {
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A process of its own that does the work of one contender: gets a line of JSON for each thing to do, and answers each
 * with one line. Between two commands it does nothing, so that it does not disturb the others.
 */
export class Driver implements AsyncDisposable {
  readonly #commandLine: readonly string[];
  readonly #child: ChildProcess;
  readonly #asked: Asked[] = [];
  #ended = false;

  constructor(commandLine: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#commandLine = commandLine;
    this.#child = spawn(commandLine[0] ?? "", commandLine.slice(1), {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    this.#child.once("error", (error) => {
      this.#end(error.message);
    });
    this.#child.once("exit", (code, signal) => {
      this.#end(`it ended with ${signal ?? `exit code ${code ?? "unknown"}`}`);
    });
    // A write to one that has ended fails here too; its end is what is reported.
    this.#child.stdin?.on("error", () => undefined);
    if (this.#child.stdout !== null) {
      createInterface(this.#child.stdout).on("line", (line) => this.#asked.shift()?.resolve(line));
    }
  }

  /** Sends one command and waits for its answer. Throws when the driver ends, hangs or answers something else. */
  async ask<T>(command: object, answer: z.ZodType<T>): Promise<T> {
    if (this.#ended) throw this.#failure("it had ended");
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#child.kill("SIGKILL");
        reject(this.#failure(`no answer within ${answerWithinMs / 1000} s`));
      }, answerWithinMs);
      this.#asked.push({
        resolve: (text) => {
          clearTimeout(timer);
          resolve(text);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    });
    const value: unknown = JSON.parse(line);
    return answer.parse(value);
  }

  /** Asks it to end by closing its input, and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    const exited = once(this.#child, "exit");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), endWithinMs);
    this.#child.stdin?.end();
    await exited;
    clearTimeout(timer);
  }

  #end(why: string): void {
    this.#ended = true;
    for (const { reject } of this.#asked.splice(0)) reject(this.#failure(why));
  }

  #failure(why: string): Error {
    return new Error(`${this.#commandLine.join(" ")}: ${why}`);
  }
}

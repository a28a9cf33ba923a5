import { type Writable } from "node:stream";
import { paintForTerminal, paintNothing, wantsColour } from "./output/style.js";
import { type Paint } from "./output/table.js";

/** Whoever read our output has gone away. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/** What a screen needs of an output stream of the process. */
export interface OutputStream {
  readonly stream: Writable;
  readonly isTerminal: boolean;
  readonly columns: number | undefined;
}

/**
 * Where a command writes: results to stdout, everything else to stderr. Every write waits until the bytes are on their
 * way, so that memory stays bounded and nothing is lost when the program exits afterwards. Throws OutputClosed when the
 * reader has gone.
 */
export class Screen {
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  /** Colours for stdout. */
  readonly paint: Paint;
  /** Colours for stderr. */
  readonly paintNote: Paint;

  constructor(
    stdout: OutputStream,
    stderr: OutputStream,
    env: Readonly<Record<string, string | undefined>>,
  ) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.paint = wantsColour(stdout.isTerminal, env) ? paintForTerminal : paintNothing;
    this.paintNote = wantsColour(stderr.isTerminal, env) ? paintForTerminal : paintNothing;
  }

  /** Columns of the terminal on stdout; undefined when it is none, and lines may be as long as they are. */
  get width(): number | undefined {
    return this.#stdout.isTerminal ? this.#stdout.columns : undefined;
  }

  async out(data: string | Uint8Array): Promise<void> {
    await write(this.#stdout.stream, data);
  }

  async err(data: string | Uint8Array): Promise<void> {
    await write(this.#stderr.stream, data);
  }
}

async function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  if (data.length === 0) return;
  await new Promise<void>((resolve, reject) => {
    stream.write(data, (error) => {
      if (error === null || error === undefined) resolve();
      else
        reject(
          isClosed(error) ? new OutputClosed("The output was closed", { cause: error }) : error,
        );
    });
  });
}

function isClosed(error: Error): boolean {
  const code = "code" in error ? error.code : undefined;
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_DESTROYED";
}

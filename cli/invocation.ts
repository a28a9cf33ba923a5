import { type Readable } from "node:stream";
import { type Screen } from "./screen.js";

/** Everything that a command knows of the world it was called in. Only main.ts makes one of the real process. */
export interface Invocation {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly screen: Screen;
  readonly stdin: { readonly stream: () => Readable; readonly isTerminal: boolean };
  /** Absolute path of the directory that the command was called in. */
  readonly workingDir: () => string;
  /** Version of this program. */
  readonly version: string;
  /** The code to exit with when the command is over. */
  readonly finish: (code: number) => void;
}

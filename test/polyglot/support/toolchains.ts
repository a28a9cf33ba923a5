import { spawnSync } from "node:child_process";

interface Need {
  /** What a person would call it. */
  readonly name: string;
  /** A command line that fails when it is not there, and prints its version. */
  readonly probe: string;
  readonly atLeast?: string;
}

export interface Language {
  /** Its folder in examples/polyglot. */
  readonly folder: string;
  /** Its heading in the README there. */
  readonly heading: string;
  /** As its program signs its items. */
  readonly signature: string;
  readonly needs: readonly Need[];
}

const PYTHON: Need = { name: "python3", probe: "python3 --version", atLeast: "3.10" };
const GO: Need = { name: "go", probe: "go version", atLeast: "1.25" };

export const LANGUAGES: readonly Language[] = [
  {
    folder: "python",
    heading: "Python",
    signature: "python",
    needs: [PYTHON, { name: "python3's venv", probe: "python3 -c 'import ensurepip, venv'" }],
  },
  { folder: "go", heading: "Go", signature: "go", needs: [GO] },
  {
    folder: "java",
    heading: "Java",
    signature: "java",
    needs: [
      { name: "javac", probe: "javac --version", atLeast: "17" },
      { name: "mvn", probe: "mvn --version", atLeast: "3.8" },
    ],
  },
  {
    folder: "rust",
    heading: "Rust",
    signature: "rust",
    needs: [{ name: "cargo", probe: "cargo --version", atLeast: "1.88" }],
  },
  {
    folder: "cpp",
    heading: "C++",
    signature: "c++",
    needs: [
      { name: "c++", probe: "c++ --version" },
      { name: "cmake", probe: "cmake --version", atLeast: "3.22" },
      { name: "protoc", probe: "protoc --version" },
      { name: "grpc_cpp_plugin", probe: "command -v grpc_cpp_plugin" },
      {
        name: "libgrpc++-dev",
        probe: "c++ -E -x c++ -include grpcpp/grpcpp.h /dev/null -o /dev/null",
      },
      {
        name: "libprotobuf-dev",
        probe: "c++ -E -x c++ -include google/protobuf/message.h /dev/null -o /dev/null",
      },
    ],
  },
];

/** The first thing that this machine lacks, as `cargo is not installed`; undefined when all is there. */
export function whatIsMissing(needs: readonly Need[]): string | undefined {
  for (const { name, probe, atLeast } of needs) {
    const { status, stdout } = spawnSync("bash", ["-c", probe], {
      encoding: "utf8",
      // With a socket as its stdin, bash may take itself for a login from afar, and read ~/.bashrc.
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (status !== 0) return `${name} is not installed`;
    if (atLeast === undefined) continue;
    const version = /\d+(\.\d+)*/.exec(stdout.replaceAll(/\x1b\[[\d;]*m/g, ""))?.[0] ?? "0";
    if (isOlder(version, atLeast)) return `${name} ${version} is older than ${atLeast}`;
  }
  return undefined;
}

function isOlder(version: string, than: string): boolean {
  const [is, asked] = [version, than].map((text) => text.split(".").map(Number));
  for (const [at, number] of (asked ?? []).entries()) {
    const difference = (is?.[at] ?? 0) - number;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

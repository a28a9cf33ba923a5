import { readdirSync, readlinkSync } from "node:fs";
import { LINK } from "./descriptors.js";

const DESCRIPTORS = "/proc/self/fd";
/** Nobody is harmed when two processes share these. */
const HARMLESS = /^(\/dev\/(null|zero|full|random|urandom)|anon_inode:\[(eventfd|io_uring)\])$/;

/** What each descriptor is, as the kernel names it: a path, `socket:[1234]`, `anon_inode:[eventpoll]`. */
export type OpenFiles = ReadonlyMap<string, string>;

export function openFiles(): OpenFiles {
  const found = new Map<string, string>();
  for (const descriptor of readdirSync(DESCRIPTORS)) {
    try {
      found.set(descriptor, readlinkSync(`${DESCRIPTORS}/${descriptor}`));
    } catch {
      // The directory that was being read, or what another thread has closed since.
    }
  }
  return found;
}

/** What has been opened since `before`. */
export function openedSince(before: OpenFiles): readonly string[] {
  return [...openFiles()]
    .filter(([descriptor, file]) => before.get(descriptor) !== file)
    .map(([, file]) => file);
}

/** Those that a child must not share with its siblings, unless their owner says that it may. */
export function refusedFiles(files: readonly string[], keep: readonly string[]): readonly string[] {
  const kept = keep.map(patternOf);
  return files.filter(
    (file) => !HARMLESS.test(file) && !kept.some((pattern) => pattern.test(file)),
  );
}

/** Sockets, but for the link and those that the template keeps: a child that has them takes what was sent to its parent. */
export function ownSockets(kept: readonly string[]): readonly string[] {
  return [...openFiles()]
    .filter(([descriptor, file]) => file.startsWith("socket:") && Number(descriptor) !== LINK)
    .map(([, file]) => file)
    .filter((file) => !kept.includes(file));
}

function patternOf(text: string): RegExp {
  const parts = text.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s");
}

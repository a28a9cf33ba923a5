import { createRequire } from "node:module";
import { nativeFile } from "./native-files.js";

/** The kernel calls of server/native/addon. They throw Errors with `code`, as Node's own do. */
export interface NativeAddon {
  /** Who connected this Unix socket. */
  peerCredentials(fd: number): unknown;
  /** 0 when this process now holds the write lock, else the holder's pid, or -1 if that has none here. */
  lockFile(fd: number): unknown;
}

let loaded: NativeAddon | undefined;

/** Loads the addon at its first use. Throws one sentence that says what to do when it cannot be loaded. */
export function nativeAddon(): NativeAddon {
  loaded ??= load(nativeFile("forkbus.node"));
  return loaded;
}

function load(path: string): NativeAddon {
  let addon: unknown;
  try {
    addon = createRequire(import.meta.url)(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The native addon cannot be loaded (${reason}): run forkbus build-native, which builds it for this host`,
      { cause: error },
    );
  }
  if (!isNativeAddon(addon)) {
    throw new Error(`${path} is of another version: run forkbus build-native`);
  }
  return addon;
}

function isNativeAddon(addon: unknown): addon is NativeAddon {
  return (
    typeof addon === "object" &&
    addon !== null &&
    "peerCredentials" in addon &&
    typeof addon.peerCredentials === "function" &&
    "lockFile" in addon &&
    typeof addon.lockFile === "function"
  );
}

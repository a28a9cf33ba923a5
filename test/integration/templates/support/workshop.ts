import { type Client, connect } from "../../../../client/typescript/index.js";
import { CleanupStack } from "../../../../server/core/cleanup-stack.js";
import { DaemonHarness } from "../../../support/daemon-harness.js";
import { FunctionFiles } from "./function-files.js";

/** A daemon, a client of it, and modules for its workers. */
export interface Workshop {
  readonly daemon: DaemonHarness;
  readonly bus: Client;
  readonly files: FunctionFiles;
}

type Modules = Readonly<Record<string, string>>;
type Use = (shop: Workshop) => void;

/** Opens one for all tests of a `describe`, and hands it over before they run. */
export function sharedWorkshop(modules: Modules, use: Use): void {
  opened(modules, use, before, after);
}

/** Opens one for each test of a `describe`, as those need that kill what is in it. */
export function ownWorkshop(modules: Modules, use: Use): void {
  opened(modules, use, beforeEach, afterEach);
}

type Hook = (action: () => Promise<void>) => void;

function opened(modules: Modules, use: Use, open: Hook, close: Hook): void {
  const cleanup = new CleanupStack();
  open(async () => {
    const files = cleanup.use(await FunctionFiles.write(modules));
    const daemon = cleanup.use(await DaemonHarness.start());
    const bus = await connect(daemon.address);
    cleanup.defer(() => {
      bus.close();
    });
    use({ daemon, bus, files });
  });
  close(() => cleanup[Symbol.asyncDispose]());
}

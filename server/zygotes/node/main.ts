import { constants } from "node:os";
import { SPECIFICATION } from "./descriptors.js";
import { installEntropy } from "./entropy.js";
import { live } from "./life.js";
import { Step } from "./link-messages.js";
import { ModuleLoader } from "./module-loader.js";
import { prepareExit } from "./process-repairs.js";
import { fail } from "./specialise.js";
import { type Specification, takeSpecification } from "./specification.js";
import { threadsWithPool } from "./threads.js";

/**
 * The program of Node's zygotes and of spawned workers with a function of Node's: `node --v8-pool-size=2 main.js`, with
 * the descriptors of docs/FORK-SERVERS.md. (The threads of V8 are of no use to a zygote, but their number is what V8
 * expects in children, where it costs nothing until it is needed.)
 */
installEntropy();
prepareExit();
// Ours alone: programs that this one starts with its own options are not meant.
process.execArgv.splice(0, process.execArgv.length, ...process.execArgv.filter(isUsers));

function isUsers(option: string): boolean {
  return !option.startsWith("--v8-pool-size");
}

function specification(): Specification {
  try {
    return takeSpecification(SPECIFICATION);
  } catch {
    return fail(Step.specification, constants.errno.EINVAL);
  }
}

// Not awaited at the top level: a process in which this never settles is one that ends like any other.
void threadsWithPool().then((threads) =>
  live(specification(), {
    loader: new ModuleLoader(),
    threads: { kind: "executed", threads },
    keptFiles: [],
  }),
);

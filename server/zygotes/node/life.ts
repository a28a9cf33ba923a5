import { serve } from "./fork-server.js";
import { describeObstacles, lingering } from "./lingering.js";
import { sayReady } from "./link-messages.js";
import { ownSockets } from "./open-files.js";
import { awaitTarget } from "./prestarted.js";
import { type Program } from "./program.js";
import { specialise } from "./specialise.js";
import { type Specification, type ZygoteSpecification } from "./specification.js";
import { rehearse } from "./rehearsal.js";
import { runWorker } from "./worker.js";
import { announce } from "./worker-handle.js";
import { loadTemplate } from "./template.js";
import { type ZygoteAddon, zygoteAddon } from "./zygote-addon.js";

/** Lives as the specification says, to the end of the process; in children of it, as theirs says. */
export async function live(specification: Specification, program: Program): Promise<void> {
  specialise(specification);
  sayReady();
  if (specification.kind === "zygote") {
    await liveAsZygote(specification, program);
    return;
  }
  if (specification.kind === "prestarted") {
    await live(await awaitTarget(specification, program), program);
    return;
  }
  announce({
    id: specification.id,
    name: specification.name,
    arguments: { bytes: specification.arguments, encoding: specification.target.encoding },
    serveForks: () => serveForks(program),
  });
  await runWorker(specification, program);
}

async function liveAsZygote(specification: ZygoteSpecification, program: Program): Promise<void> {
  const { addon, keptFiles } = await loadTemplate(specification, program);
  if (addon === undefined) process.exit(0);
  await rehearse(specification);
  await serveInTurn(addon, { ...program, keptFiles: [...program.keptFiles, ...keptFiles] });
  // Nobody can ask it for anything any more.
  addon.exitNow(0);
}

/** Of a live worker: WorkerHandle.serveForks. */
async function serveForks(program: Program): Promise<void> {
  const addon = zygoteAddon();
  const obstacles = describeObstacles(
    await lingering(program.threads, () => ownSockets(program.keptFiles)),
  );
  if (obstacles !== "") throw new Error(`This process cannot serve forks: ${obstacles}`);
  await serveInTurn(addon, program);
}

/** Settles in the server alone. */
function serveInTurn(addon: ZygoteAddon, program: Program): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => {
      const served = serve(addon);
      if (served.kind !== "born") {
        resolve();
        return;
      }
      void live(served.specification, { ...program, threads: { kind: "forked" } });
    });
  });
}

import { decodeArguments, resolveFunction } from "./function-call.js";
import { baseOf, type ModuleLoader } from "./module-loader.js";
import { type Prepared } from "./specification.js";

/** Loads what is to be there before the target is called; a fork has it from its template. */
export async function prepare(
  { preload, init, searchPath }: Prepared,
  loader: ModuleLoader,
): Promise<void> {
  for (const name of preload) await loader.load(name, baseOf(searchPath));
  if (init === null) return;
  const call = await resolveFunction(loader, init.function, searchPath);
  await call(...decodeArguments(init.encoding, init.data));
}

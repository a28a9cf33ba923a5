import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The name of a state directory, made once: revisions of another one cannot be compared with its own. */
export async function storeId(stateDir: string, newId: () => string): Promise<string> {
  const path = join(stateDir, "store-id");
  const found = await readFile(path, "utf8").catch(() => "");
  if (found.trim() !== "") return found.trim();
  const id = newId();
  await writeFile(`${path}.new`, `${id}\n`);
  await rename(`${path}.new`, path);
  return id;
}

import { constants } from "node:os";

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
// Not among Node's constants.
NAMES.set(108, "ESHUTDOWN").set(26, "ETXTBSY").set(40, "ELOOP").set(122, "EDQUOT");

/** Such as `ENOENT`; the number where it has no name. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

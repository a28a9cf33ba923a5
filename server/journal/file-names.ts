/** What a file in a journal's directory is, by its name alone. */
export type FileName =
  | { readonly kind: "segment" | "snapshot"; readonly sequence: number }
  | { readonly kind: "unfinished" | "damaged" | "reserve" | "foreign" };

export const RESERVE_NAME = "reserve";
const SHAPE = /^(segment|snapshot)-(\d{12})$/;

export function segmentName(sequence: number): string {
  return `segment-${String(sequence).padStart(12, "0")}`;
}

export function snapshotName(sequence: number): string {
  return `snapshot-${String(sequence).padStart(12, "0")}`;
}

export function unfinishedName(name: string): string {
  return `${name}.unfinished`;
}

export function damagedName(name: string): string {
  return `${name}.damaged`;
}

export function parseFileName(name: string): FileName {
  if (name === RESERVE_NAME) return { kind: "reserve" };
  if (name.endsWith(".unfinished")) return { kind: "unfinished" };
  if (name.endsWith(".damaged")) return { kind: "damaged" };
  const match = SHAPE.exec(name);
  if (match === null) return { kind: "foreign" };
  return { kind: match[1] === "segment" ? "segment" : "snapshot", sequence: Number(match[2]) };
}

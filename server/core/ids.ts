/** Names one process for ever, unlike its name: 32 hexadecimal digits. */
export type ProcessUid = string & { readonly __brand: "ProcessUid" };

/** Undefined when `text` is no uid. Accepts the dashes of the usual notation of UUIDs. */
export function parseProcessUid(text: string): ProcessUid | undefined {
  const digits = text.replaceAll("-", "").toLowerCase();
  return /^[0-9a-f]{32}$/.test(digits) ? (digits as ProcessUid) : undefined;
}

/** With dashes, as people and other systems write it. */
export function formatProcessUid(uid: ProcessUid): string {
  return uid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

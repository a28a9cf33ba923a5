/** Where the journal tells the operator what no caller would learn. */
export interface JournalLog {
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export const silentLog: JournalLog = { warn: () => undefined };

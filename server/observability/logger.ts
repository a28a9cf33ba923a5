/** What an event is about. Errors are written with their stack and causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A log of events: the message is a fixed lower-case sentence, everything that varies is a field. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** An operator must act. */
  error(message: string, fields?: LogFields): void;
}

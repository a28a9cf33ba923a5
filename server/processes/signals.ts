import { DomainError } from "../core/errors.js";

/** Linux's numbers, the same on x86-64 and arm64 (signal(7)). */
const NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
};

const NAMES = new Map(Object.entries(NUMBERS).map(([name, number]) => [number, name]));

/** What programs see: the C library keeps 32 and 33 for itself. */
const FIRST_REALTIME = 34;
const LAST_REALTIME = 64;

export const SIGTERM = 15;
export const SIGKILL = 9;

/** The number of a signal named `SIGTERM`, `TERM`, `term`, `SIGRTMIN+3`, `SIGRTMAX-1` or `15`. */
export function parseSignal(text: string): number {
  const number = signalNumber(text.toUpperCase());
  if (number === undefined) {
    throw new DomainError("signal-unknown", `There is no signal ${JSON.stringify(text)}`, {
      facts: { signal: text },
    });
  }
  return number;
}

/** Such as `SIGKILL` or `SIGRTMIN+3`. */
export function signalName(number: number): string {
  const name = NAMES.get(number);
  if (name !== undefined) return name;
  if (number === FIRST_REALTIME) return "SIGRTMIN";
  if (number > FIRST_REALTIME && number <= LAST_REALTIME)
    return `SIGRTMIN+${number - FIRST_REALTIME}`;
  return `SIG${number}`;
}

function signalNumber(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= LAST_REALTIME ? number : undefined;
  }
  const name = text.startsWith("SIG") ? text : `SIG${text}`;
  const realtime = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realtime === null) return Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined;
  const [, end, sign, digits] = realtime;
  const offset = Number(digits ?? 0) * (sign === "-" ? -1 : 1);
  const number = (end === "MIN" ? FIRST_REALTIME : LAST_REALTIME) + offset;
  return number >= FIRST_REALTIME && number <= LAST_REALTIME ? number : undefined;
}

/** Loading waits for a file where the environment names one. */
const PYTHON = `
import os, signal, time
if "DEAF" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while "GATE" in os.environ and not os.path.exists(os.environ["GATE"]):
    time.sleep(0.005)
if os.environ.get("BROKEN"):
    raise RuntimeError("broken")
begun = None
def begin(colour):
    global begun
    begun = colour
def weigh(data):
    begin(str(len(data)))
def colour():
    return begun or os.environ.get("COLOUR", "")
def stay():
    time.sleep(600)
`;

const NODE = `
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
const { GATE, BROKEN } = process.env;
while (GATE !== undefined && !existsSync(GATE)) await delay(5);
if (BROKEN) throw new Error("broken");
let begun;
export const begin = (colour) => {
  begun = colour;
};
export const colour = () => begun ?? process.env.COLOUR ?? "";
export const stay = () => delay(600_000);
`;

export const HUES = { "hues.py": PYTHON, "hues.mjs": NODE };

import {
  create,
  type DescField,
  type DescMessage,
  type ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { hostileEnum, hostileScalar } from "./hostile-values.js";
import { type Known, plausibleEnum, plausibleScalar } from "./plausible-values.js";
import { type Random } from "./random.js";

const MAX_DEPTH = 6;

/** Makes messages of any type from its descriptor. What it makes is always a message of that type. */
export class RequestGenerator {
  readonly #random: Random;
  readonly #known: Known;
  /** How likely a value is one that nobody sends in earnest. */
  readonly #hostility: number;
  /** How likely a field is there. */
  readonly #density: number;

  constructor(random: Random, known: Known, hostility: number) {
    this.#random = random;
    this.#known = known;
    this.#hostility = hostility;
    this.#density = random.pick([0.2, 0.5, 0.9]);
  }

  bytes(desc: DescMessage): Buffer {
    const message = this.#message(desc, 0);
    return Buffer.from(toBinary(desc, message.message));
  }

  #message(desc: DescMessage, depth: number): ReflectMessage {
    const message = reflect(desc, create(desc));
    for (const member of desc.members) {
      if (member.kind === "oneof") {
        if (this.#random.chance(0.95)) this.#set(message, this.#random.pick(member.fields), depth);
      } else if (this.#random.chance(isUsual(member) ? 0.9 : this.#density)) {
        this.#set(message, member, depth);
      }
    }
    return message;
  }

  #set(message: ReflectMessage, field: DescField, depth: number): void {
    switch (field.fieldKind) {
      case "message":
        if (depth < MAX_DEPTH) message.set(field, this.#message(field.message, depth + 1));
        return;
      case "list":
        for (let left = this.#size(); left > 0; left--) {
          if (field.listKind === "message" && depth >= MAX_DEPTH) return;
          message.get(field).add(this.#element(field, depth));
        }
        return;
      case "map":
        for (let left = this.#size(); left > 0; left--) {
          const key = this.#scalar(field, field.mapKey);
          message.get(field).set(key, this.#element(field, depth));
        }
        return;
      case "scalar":
      case "enum":
        message.set(field, this.#element(field, depth));
    }
  }

  /** Of a list or map. */
  #size(): number {
    if (this.#random.chance(this.#hostility / 10)) return this.#random.pick([100, 2000]);
    return this.#random.below(4);
  }

  #element(field: DescField, depth: number): unknown {
    if (field.message !== undefined) return this.#message(field.message, depth + 1);
    if (field.enum !== undefined) {
      const choose = this.#isHostile() ? hostileEnum : plausibleEnum;
      return choose(this.#random, field.enum);
    }
    return this.#scalar(field, field.scalar);
  }

  #scalar(field: DescField, type: ScalarType): unknown {
    return this.#isHostile()
      ? hostileScalar(this.#random, type)
      : plausibleScalar(this.#random, this.#known, field, type);
  }

  #isHostile(): boolean {
    return this.#random.chance(this.#hostility);
  }
}

/** Without which most requests are refused before anything is looked at. */
function isUsual(field: DescField): boolean {
  return (
    (field.fieldKind === "message" && !["run_as", "limits", "cpus"].includes(field.name)) ||
    ["name", "queue", "argv", "items", "user", "resource", "runtime", "function"].includes(
      field.name,
    )
  );
}

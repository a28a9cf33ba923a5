import { type Dependency } from "./dependencies.js";

/** Somebody else's work that is in the package itself. */
export interface Included {
  readonly title: string;
  readonly notice: string;
  /** Of the licence; empty when the notice says where it is. */
  readonly text: string;
}

/** THIRD_PARTY.md: whose work is in the package, whose is installed beside it, and under which licences. */
export function renderThirdParty(
  included: readonly Included[],
  dependencies: readonly Dependency[],
): string {
  const rows = dependencies.map(({ name, version, licence }) => [name, version, licence]);
  return [
    "# Third-party software",
    "forkbus itself is under the Apache License 2.0, see [LICENSE](LICENSE).",
    "## In this package",
    ...included.flatMap(({ title, notice, text }) => [
      `### ${title}`,
      notice,
      ...(text === "" ? [] : [quote(text)]),
    ]),
    "## Installed beside it by npm",
    "These packages are not in this one. npm installs them from its registry, each with its own licence.",
    table(["package", "version", "licence"], rows),
    "## Their licences",
    ...[...byText(dependencies)].flatMap(([text, owners]) => [
      `### ${owners.map(({ name, version }) => `${name} ${version}`).join(", ")}`,
      text === "" ? "Brings no text: its files name the licence and whose they are." : quote(text),
    ]),
    "",
  ].join("\n\n");
}

/** Many share one text. */
function byText(dependencies: readonly Dependency[]): ReadonlyMap<string, Dependency[]> {
  const groups = new Map<string, Dependency[]>();
  for (const each of dependencies) {
    const group = groups.get(each.text);
    if (group === undefined) groups.set(each.text, [each]);
    else group.push(each);
  }
  return groups;
}

function quote(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

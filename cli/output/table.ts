import { escapeText } from "./escape.js";
import { type Style } from "./style.js";

/** One column of a table: what stands above it, and the text of a row. */
export interface Column<Row> {
  readonly title: string;
  readonly align?: "left" | "right";
  readonly text: (row: Row) => string;
  readonly style?: (row: Row) => Style | undefined;
}

/** How styled text is written: with colours on a terminal, else as it is. */
export type Paint = (style: Style, text: string) => string;

/**
 * Rows as lines of text: a line of titles, columns two spaces apart, each as wide as its widest cell, no spaces at the
 * ends of lines. Cells are escaped, so a row is always exactly one line. Ends with a newline.
 *
 * With `width`, the last column is cut with `…` where a line would be longer; other columns never are.
 */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  paint: Paint,
  width?: number,
): string {
  const cells = rows.map((row) => columns.map((column) => escapeText(column.text(row)) || "-"));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((line) => cellWidth(line[index] ?? ""))),
  );
  const before = widths.slice(0, -1).reduce((sum, cell) => sum + cell + gap.length, 0);
  const lastWidth = width === undefined ? undefined : Math.max(minimumLast, width - before);

  const line = (texts: readonly string[], styles: readonly (Style | undefined)[]): string => {
    const parts = texts.map((text, index) => {
      const isLast = index === texts.length - 1;
      const shown = isLast && lastWidth !== undefined ? cut(text, lastWidth) : text;
      const padding = " ".repeat(Math.max(0, (widths[index] ?? 0) - cellWidth(shown)));
      const style = styles[index];
      const painted = style === undefined ? shown : paint(style, shown);
      if (columns[index]?.align === "right") return padding + painted;
      return isLast ? painted : painted + padding;
    });
    return `${parts.join(gap)}\n`;
  };

  const titles = columns.map((column) => column.title);
  const head = line(
    titles,
    titles.map(() => "dim"),
  );
  const body = rows.map((row, index) =>
    line(
      cells[index] ?? [],
      columns.map((column) => column.style?.(row)),
    ),
  );
  return head + body.join("");
}

/** A name and its value. */
export type Field = readonly [string, string];

/** A text of several lines under its title, indented. Nothing when there is no text. */
export function renderBlock(title: string, text: string, paint: Paint): string {
  if (text.trim() === "") return "";
  const lines = text.replace(/\n+$/, "").split("\n");
  return `${paint("dim", title)}\n${lines.map((line) => `  ${escapeText(line)}\n`).join("")}`;
}

/** Names and their values, one pair to a line, values in one column. */
export function renderFields(fields: readonly Field[], paint: Paint): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  return fields
    .map(([name, value]) => `${paint("dim", name.padEnd(width))}  ${escapeText(value)}\n`)
    .join("");
}

const gap = "  ";
const minimumLast = 12;

function cellWidth(text: string): number {
  return Array.from(text).length;
}

function cut(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}

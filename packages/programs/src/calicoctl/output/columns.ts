/** Cells are padded to the widest of their column and three more, but to no less than five; the last one too. */
const PADDING = 3;
const LEAST_WIDTH = 5;

/** A table of columns as `calicoctl get` prints it: headings first, an empty line after it. */
export function printColumns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? LEAST_WIDTH, length(cell) + PADDING);
  }
  const lines = rows.map(row => row.map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - length(cell))).join(''));
  return `${lines.join('\n')}\n\n`;
}

/** In characters, not in UTF-16 units. */
function length(text: string): number {
  return [...text].length;
}

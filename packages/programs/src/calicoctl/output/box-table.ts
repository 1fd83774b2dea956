/** Cells that stand on the right: numbers and percentages. */
const NUMBER = /^-?\d+(\.\d+)?%?$/;

/** A table in a frame as `calicoctl ipam show` and `node status` print it: headings in capitals, centred. */
export function printBoxTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map(row => row[i]?.length ?? 0)));
  const rule = `+${widths.map(width => '-'.repeat(width + 2)).join('+')}+\n`;
  const line = (cells: readonly string[], place: (text: string, width: number) => string): string =>
    `|${widths.map((width, i) => ` ${place(cells[i] ?? '', width)} `).join('|')}|\n`;
  const body = rows.map(row => line(row, align)).join('');
  const head = rule + line(headings, (text, width) => centre(text.toUpperCase(), width)) + rule;
  return rows.length === 0 ? head : head + body + rule;
}

function align(text: string, width: number): string {
  return NUMBER.test(text) ? text.padStart(width) : text.padEnd(width);
}

function centre(text: string, width: number): string {
  return text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width);
}

/** Who reaches what: rows are sources, columns destinations, a cell says whether the connection passes. */
export interface Matrix {
  readonly title: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** By row, then column. `itself` where source and destination are the same pod. */
  readonly cells: readonly (readonly Cell[])[];
}

export type Cell = 'allowed' | 'denied' | 'itself';

const signs: Readonly<Record<Cell, string>> = { allowed: '+', denied: '-', itself: '.' };

/** The matrix as text: the title, numbered columns, then a line per row. */
export function printMatrix({ title, rows, columns, cells }: Matrix): string {
  const width = Math.max(...rows.map(row => row.length));
  const lines = rows.map((row, index) => {
    const marks = (cells[index] ?? []).map(cell => signs[cell].padStart(3));
    return `${row.padEnd(width)} |${marks.join('')}`;
  });
  const numbers = columns.map((_, index) => String(index + 1).padStart(3)).join('');
  const legend = columns.map((column, index) => `${String(index + 1).padStart(3)} ${column}`);
  return [`# ${title}`, ...legend, '', `${' '.repeat(width)} |${numbers}`, ...lines, ''].join('\n');
}

/** The matrices in a text that `printMatrix` made, one after another. */
export function parseMatrices(text: string): Matrix[] {
  return text
    .split(/^# /m)
    .slice(1)
    .map(part => {
      const [title = '', ...lines] = part.split('\n');
      const columns = lines.flatMap(line => /^ *\d+ (\S+)$/.exec(line)?.[1] ?? []);
      const table = lines.filter(line => line.includes(' |') && line.trim()[0] !== '|');
      return {
        title,
        rows: table.map(line => line.split(' |')[0]?.trim() ?? ''),
        columns,
        cells: table.map(line => [...(line.split(' |')[1] ?? '').replaceAll(' ', '')].map(cellOf)),
      };
    });
}

function cellOf(sign: string): Cell {
  const cell = (Object.keys(signs) as Cell[]).find(each => signs[each] === sign);
  if (cell === undefined)
    throw new Error(`Cannot read matrix: cell is "${sign}"; allowed: ${Object.values(signs).join(' ')}`);
  return cell;
}

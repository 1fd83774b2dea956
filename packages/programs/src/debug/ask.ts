import { fetchSocket } from '@calico/process/socket-http';
import type { TableEnd, TableError, TableHead } from './table.ts';

/** A field as it comes over the socket: null is none. */
export type ReadCell = string | number | boolean | readonly string[] | null;

/** A table of an agent, as it was asked for. */
export interface ReadTable extends TableHead {
  readonly rows: readonly (readonly ReadCell[])[];
  /** There are more rows than were asked for. */
  readonly more: boolean;
}

/** An agent that lives answers in milliseconds; how long the whole answer may take. */
const patienceMs = 30_000;

/** Where the agent answers, below its run folder. */
export const debugSocket = 'debug.sock';

/** Asks the agent of this node for a table. Rejects with an Error in words when it does not answer, or has no such table. */
export async function askTable(socket: string, name: string, limit: number): Promise<ReadTable> {
  const response = await fetchSocket(socket, `/tables/${encodeURIComponent(name)}?limit=${limit}`, patienceMs);
  const text = await response.text();
  if (!response.ok) throw new Error(text.trim());
  return readTable(text);
}

/** Reads lines of JSON. Throws an Error where they do not end as they should: the agent ended, or failed, in between. */
function readTable(text: string): ReadTable {
  const [head, ...rest] = text.trimEnd().split('\n');
  const end = parse(rest.pop()) as Partial<TableEnd & TableError> | undefined;
  if (head === undefined || end?.more === undefined) {
    throw new Error(`the agent broke off its answer${end?.error === undefined ? '' : `: ${end.error}`}`);
  }
  const rows = rest.map(line => parse(line) as readonly ReadCell[]);
  return { ...(parse(head) as TableHead), rows, more: end.more };
}

function parse(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '');
  } catch {
    return undefined;
  }
}

/** The table with its rows as objects, without the fields that are none. */
export function asObjects({ rows, columns, ...rest }: ReadTable): object {
  const objects = rows.map(row =>
    Object.fromEntries(columns.flatMap((column, i) => ((row[i] ?? null) === null ? [] : [[column, row[i]]]))),
  );
  return { ...rest, columns, rows: objects };
}

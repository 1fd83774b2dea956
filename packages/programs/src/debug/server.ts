import type { SocketHandler } from '@calico/process/socket-http';
import { type Clock, Turn } from '@calico/reconcile';
import type { DebugTable, TableEnd, TableError, TableHead } from './table.ts';

/** What the tables are served with. */
export interface DebugServerOptions {
  readonly node: string;
  readonly tables: readonly DebugTable[];
  readonly clock: Pick<Clock, 'now' | 'sleep' | 'wallTime'>;
}

/** How long the rows of one turn may take, in ms, and how large they may get, in characters. */
const turnMs = 4;
const turnSize = 64 * 1024;
/** So many rows are given unless more or fewer are asked for. */
export const defaultLimit = 1_000;

/**
 * Answers `/tables` with all tables there are, `/tables/<name>?limit=<rows>` with one: lines of JSON, first a
 * {@link TableHead}, then an array for each row, last a {@link TableEnd}. Rows are made in turns of a few milliseconds, and no
 * faster than they are read.
 */
export function debugHandler({ node, tables, clock }: DebugServerOptions): SocketHandler {
  const all = [...tables, tableOfTables(tables)].sort((a, b) => (a.name < b.name ? -1 : 1));
  return async request => {
    const { pathname, searchParams } = new URL(request.url);
    const [, root, name = 'tables', ...rest] = pathname.split('/');
    const limit = searchParams.get('limit') ?? String(defaultLimit);
    if (root !== 'tables' || rest.length > 0) return refusal(404, `no page ${pathname}; allowed: /tables/<name>`);
    const table = all.find(each => each.name === name);
    if (table === undefined) {
      return refusal(404, `no table "${name}"; allowed: ${all.map(each => each.name).join(', ')}`);
    }
    if (!/^\d{1,9}$/.test(limit)) return refusal(400, `limit is "${limit}"; allowed: a number of 0 or more`);
    await table.prepare?.();
    const head: TableHead = {
      table: table.name,
      about: table.about,
      node,
      at: new Date(clock.wallTime()).toISOString(),
      facts: table.facts?.() ?? {},
      columns: table.columns,
    };
    return new Response(lines(head, table, Number(limit), clock), {
      headers: { 'content-type': 'application/jsonl; charset=utf-8' },
    });
  };
}

function tableOfTables(tables: readonly DebugTable[]): DebugTable {
  return {
    name: 'tables',
    about: 'the tables that there are',
    columns: ['name', 'about'],
    rows: () => tables.map(({ name, about }) => [name, about]),
  };
}

function refusal(status: number, error: string): Response {
  return new Response(`${error}\n`, { status });
}

function lines(head: TableHead, table: DebugTable, limit: number, clock: DebugServerOptions['clock']): ReadableStream {
  const encoder = new TextEncoder();
  let rows: Iterator<readonly unknown[]> | undefined;
  let count = 0;
  let text = `${JSON.stringify(head)}\n`;
  const next = (): TableEnd | undefined => {
    const turn = new Turn(clock, turnMs);
    rows ??= table.rows()[Symbol.iterator]();
    while (!turn.spent && text.length < turnSize) {
      const { done, value } = rows.next();
      if (done) return { rows: count, more: false };
      if (count === limit) return { rows: count, more: true };
      text += `${JSON.stringify(value, (_, cell) => cell ?? null)}\n`;
      count++;
    }
    return undefined;
  };
  const nextOrError = (): TableEnd | TableError | undefined => {
    try {
      return next();
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  };
  return new ReadableStream({
    async pull(controller) {
      // The agent's own work goes first.
      await clock.sleep(0);
      const end = nextOrError();
      if (end !== undefined) text += `${JSON.stringify(end)}\n`;
      controller.enqueue(encoder.encode(text));
      text = '';
      if (end === undefined) return;
      rows?.return?.();
      controller.close();
    },
    cancel() {
      rows?.return?.();
    },
  });
}

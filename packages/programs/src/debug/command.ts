import { join } from 'node:path';
import { Command } from 'commander';
import { printColumns } from '../calicoctl/output/columns.ts';
import type { Environment } from '../datastore/config.ts';
import { askTable, asObjects, debugSocket, type ReadCell, type ReadTable } from './ask.ts';
import { defaultLimit } from './server.ts';

/** Flags of `debug tables`. */
interface TablesFlags {
  readonly output?: string;
  readonly limit?: string;
}

/** Scripts want all, as a rule; they read it whole. */
const jsonLimit = 100_000;

/** `calico debug …`: looks into the agent of this node. Gives the exit code; rejects with the cause. */
export async function runDebug(args: string[], env: Environment): Promise<number> {
  await debugCommands(env, text => process.stdout.write(text)).parseAsync(args, { from: 'user' });
  return 0;
}

/** The commands; `out` gets what they print. */
export function debugCommands(env: Environment, out: (text: string) => void): Command {
  const program = new Command('calico debug').description('Looks into the agent of this node.');
  program
    .command('tables')
    .description('print an internal table of the agent; without a name, which there are')
    .argument('[name]', 'of the table', 'tables')
    .option('-o, --output <format>', 'json, or nothing for text')
    .option('--limit <rows>', `the most rows to print; ${defaultLimit} unless given, ${jsonLimit} as JSON`)
    .action(async (name: string, { output, limit: given }: TablesFlags) => {
      const limit = given ?? String(output === 'json' ? jsonLimit : defaultLimit);
      if (output !== undefined && output !== 'json') {
        throw new Error(`Cannot print table: --output is "${output}"; allowed: json, or nothing for text`);
      }
      if (!/^\d{1,9}$/.test(limit)) {
        throw new Error(`Cannot print table: --limit is "${limit}"; allowed: a number of 0 or more`);
      }
      const socket = join(env.CALICO_RUN_DIR || '/var/run/calico', debugSocket);
      const table = await askTable(socket, name, Number(limit)).catch(cause => {
        throw new Error(`Cannot print table ${name}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      });
      out(output === 'json' ? `${JSON.stringify(asObjects(table), null, 2)}\n` : printTable(table));
    });
  return program;
}

/** A table for people. Pure. */
export function printTable({ columns, rows, facts, more }: ReadTable): string {
  const headings = columns.map(column => column.toUpperCase());
  const lines = Object.entries(facts).map(([name, value]) => `${name}: ${value}\n`);
  const rest = more ? `more rows are not shown (--limit)\n` : '';
  return `${lines.join('')}${printColumns([headings, ...rows.map(row => row.map(printCell))])
    .trimEnd()
    .replace(/ +$/gm, '')}\n${rest}`;
}

function printCell(cell: ReadCell): string {
  if (cell === null) return '';
  return Array.isArray(cell) ? cell.join(',') : String(cell);
}

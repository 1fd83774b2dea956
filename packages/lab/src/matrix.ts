import type { Pod } from '@calico/api';
import type { PodReport, ProbeRequest } from './protocol.ts';
import type { TcpFate } from './tcp-probe.ts';

/** One cell of the connectivity matrix. */
export interface Cell {
  /** Pod `namespace/name`, or the name of the machine outside. */
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly sameNode: boolean;
  readonly expected: 'open' | 'closed';
  readonly found: 'open' | 'closed';
}

/** A connection to try, with both ends named. */
export interface Pair {
  readonly from: string;
  readonly fromIp: string;
  readonly to: string;
  readonly port: number;
  readonly sameNode: boolean;
  readonly probe: ProbeRequest;
}

/** Every pod to every other pod's declared TCP ports, on one node and across nodes. */
export function pairsOf(running: readonly PodReport[], pods: ReadonlyMap<string, Pod>): Pair[] {
  const pairs: Pair[] = [];
  for (const from of running) {
    for (const to of running) {
      const address = to.ips[0];
      const fromIp = from.ips[0];
      if (from === to || address === undefined || fromIp === undefined) continue;
      for (const port of tcpPorts(pods.get(to.key))) {
        const probe = { from: { pod: from.key }, address, port };
        pairs.push({ from: from.key, fromIp, to: to.key, port, sameNode: from.node === to.node, probe });
      }
    }
  }
  return pairs;
}

/** The TCP ports that the pod's containers declare. */
export function tcpPorts(pod: Pod | undefined): number[] {
  const ports = (pod?.spec.containers ?? []).flatMap(container => container.ports ?? []);
  return ports.filter(port => (port.protocol ?? 'TCP') === 'TCP').map(port => port.containerPort);
}

/** Sets what was found beside what was expected. */
export function toCells(pairs: readonly Pair[], fates: readonly TcpFate[], allows: (pair: Pair) => boolean): Cell[] {
  return pairs.map((pair, i) => ({
    from: pair.from,
    to: pair.to,
    port: pair.port,
    sameNode: pair.sameNode,
    expected: allows(pair) ? 'open' : 'closed',
    found: fates[i] === 'open' ? 'open' : 'closed',
  }));
}

/** The cells that are not as expected. */
export function wrongCells(cells: readonly Cell[]): Cell[] {
  return cells.filter(cell => cell.expected !== cell.found);
}

/**
 * The matrix as text: a row a source, a column a destination and port. `+` open, `·` closed; `!` open against the
 * expectation, `x` closed against it; blank for a pod itself.
 */
export function printMatrix(cells: readonly Cell[]): string {
  const columns = [...new Set(cells.map(cell => `${cell.to}:${cell.port}`))].sort();
  const rows = [...new Set(cells.map(cell => cell.from))].sort();
  const byPlace = new Map<string, Cell>(cells.map(cell => [`${cell.from} ${cell.to}:${cell.port}`, cell]));
  const label = shortNames([...rows, ...columns.map(column => column.slice(0, column.lastIndexOf(':')))]);
  const width = Math.max(...rows.map(row => label(row).length), 0);
  const head = columns.map((column, i) => {
    const port = column.slice(column.lastIndexOf(':'));
    return `${' '.repeat(width)}  ${'│ '.repeat(i)}┌ ${label(column.slice(0, column.lastIndexOf(':')))}${port}`;
  });
  const body = rows.map(row => {
    const marks = columns.map(column => mark(byPlace.get(`${row} ${column}`)));
    return `${label(row).padEnd(width)}  ${marks.join(' ')}`.trimEnd();
  });
  return [...head, ...body].join('\n');
}

function mark(cell: Cell | undefined): string {
  if (cell === undefined) return ' ';
  if (cell.expected === cell.found) return cell.found === 'open' ? '+' : '·';
  return cell.found === 'open' ? '!' : 'x';
}

/** Pods of one namespace are shown without it; of a Deployment's pods only the first part, while that is unique. */
function shortNames(keys: readonly string[]): (key: string) => string {
  const distinct = [...new Set(keys)];
  const oneNamespace = new Set(distinct.map(key => key.split('/')[0])).size === 1;
  const short = (key: string) => key.replace(/-[a-z0-9]{9}-[a-z0-9]{5}$/, '');
  const counts = new Map<string, number>();
  for (const key of distinct) counts.set(short(key), (counts.get(short(key)) ?? 0) + 1);
  return key => {
    const name = counts.get(short(key)) === 1 ? short(key) : key;
    return oneNamespace ? name.slice(name.indexOf('/') + 1) : name;
  };
}

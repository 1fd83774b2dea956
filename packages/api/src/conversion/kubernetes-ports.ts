/** A port of a Kubernetes NetworkPolicy rule (networking.k8s.io/v1 NetworkPolicyPort). */
interface PolicyPort {
  protocol?: string;
  port?: number | string;
  endPort?: number;
}

/** The ports of one protocol; no ports at all means every port. */
export interface ProtocolPorts {
  /** Absent: any protocol. */
  readonly protocol: 'TCP' | 'UDP' | 'SCTP' | undefined;
  /** Numbers, ranges `lo:hi` and names, names first. */
  readonly ports: readonly (number | string)[];
}

interface Range {
  readonly first: number;
  readonly last: number;
}

/** The ranges sorted; those that touch or overlap become one. */
function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before === undefined || range.first > before.last + 1) merged.push(range);
    else merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return merged;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/**
 * The ports of a rule by protocol, protocols sorted: a missing protocol is TCP, an entry without port stands for all
 * ports of its protocol. No entries: one element without protocol and ports. `fail` is called with what is wrong.
 */
export function portsByProtocol(
  entries: readonly PolicyPort[] | undefined,
  fail: (problem: string) => never,
): ProtocolPorts[] {
  if (entries === undefined || entries.length === 0) return [{ protocol: undefined, ports: [] }];
  const found = new Map<'TCP' | 'UDP' | 'SCTP', { all: boolean; names: Set<string>; ranges: Range[] }>();
  for (const [index, { protocol = 'TCP', port, endPort }] of entries.entries()) {
    if (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP') {
      fail(`[${index}].protocol is "${protocol}"; allowed: TCP, UDP, SCTP`);
    }
    const group = found.get(protocol) ?? { all: false, names: new Set(), ranges: [] };
    found.set(protocol, group);
    if (endPort !== undefined) {
      if (typeof port !== 'number' || !isPort(port) || !isPort(endPort) || endPort < port) {
        fail(`[${index}].endPort is ${endPort}; allowed: a number from port (a number too) to 65535`);
      }
      group.ranges.push({ first: port, last: endPort });
    } else if (port === undefined) {
      group.all = true;
    } else if (typeof port === 'string') {
      if (port === '') fail(`[${index}].port is ""; allowed: a number or a name`);
      group.names.add(port);
    } else {
      if (!isPort(port)) fail(`[${index}].port is ${port}; allowed: 1 to 65535`);
      group.ranges.push({ first: port, last: port });
    }
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([protocol, { all, names, ranges }]) => ({
      protocol,
      ports: all
        ? []
        : [...names, ...mergeRanges(ranges).map(({ first, last }) => (first === last ? first : `${first}:${last}`))],
    }));
}

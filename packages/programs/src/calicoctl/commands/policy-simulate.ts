import { Pod, type ResourceUpdate } from '@calico/api';
import { readFelixModel } from '@calico/datastore';
import { hasPorts, PROTOCOLS } from '@calico/policy';
import { ClusterView, enforceStaged, type Port, type Simulation, simulate } from '@calico/simulate';
import { Failure } from '../failure.ts';
import { printColumns } from '../output/columns.ts';
import { type PlannedFlags, readPlanned } from '../policy/planned.ts';
import { readPort } from '../policy/read-port.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { CtlStore } from '../store.ts';
import type { World } from '../world.ts';

/** Flags of `policy simulate`. */
export interface SimulateFlags extends ConnectionFlags, PlannedFlags {
  readonly enforceStaged?: boolean;
  readonly port?: readonly string[];
  readonly limit: string;
  readonly output?: string;
}

const WORDS = { allow: 'allowed', deny: 'denied' } as const;

/** `calicoctl policy simulate`: which connections between pods would end otherwise with the objects of files applied. Writes nothing. */
export async function runPolicySimulate(flags: SimulateFlags, world: World): Promise<void> {
  const { output = 'text' } = flags;
  if (output !== 'text' && output !== 'json') {
    throw new Failure(`--output is "${output}"; allowed: json, or nothing for text`);
  }
  if (flags.filename === undefined && flags.enforceStaged !== true) {
    throw new Failure(
      '--filename is missing; allowed: a file, a directory, or - for stdin; or --enforce-staged without it',
    );
  }
  if (!/^\d{1,9}$/.test(flags.limit)) throw new Failure(`--limit is "${flags.limit}"; allowed: a number of 0 or more`);
  const ports = (flags.port ?? []).map(readPort);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const planned = readPlanned(flags, store.type, world);
  const updates = await readFelixModel(store.client, store.type);
  const applied = withPlanned(updates, planned);
  const declared = await declaredPorts(store);
  const simulation = simulate(
    new ClusterView(updates),
    new ClusterView(flags.enforceStaged === true ? enforceStaged(applied) : applied),
    { portsOf: pod => declared.get(pod) ?? [], ports, limit: Number(flags.limit) },
  );
  world.out(
    output === 'json' ? `${JSON.stringify(simulation, null, 2)}\n` : printSimulation(simulation, ports.length > 0),
  );
}

/** The cluster with some objects in place of those of their names. */
function withPlanned(updates: readonly ResourceUpdate[], planned: readonly ResourceUpdate[]): ResourceUpdate[] {
  const keyOf = ({ kind, namespace = '', name }: ResourceUpdate): string => `${kind} ${namespace} ${name}`;
  return [...new Map([...updates, ...planned].map(update => [keyOf(update), update])).values()];
}

/** The ports that containers declare, by pod; an etcd knows those alone that have names, and they are in the model. */
async function declaredPorts({ type, client }: CtlStore): Promise<Map<string, Port[]>> {
  if (type === 'etcdv3') return new Map();
  const { items } = await client.list(Pod);
  return new Map(items.map(({ metadata, spec }) => [`${metadata.namespace ?? ''}/${metadata.name}`, portsOf(spec)]));
}

function portsOf({ containers, initContainers = [] }: Pod['spec']): Port[] {
  return [...containers, ...initContainers].flatMap(container =>
    (container.ports ?? []).flatMap(({ containerPort, protocol: name = 'TCP' }) => {
      const protocol = PROTOCOLS[name.toLowerCase()];
      return protocol === undefined || !hasPorts(protocol) ? [] : [{ protocol, port: containerPort }];
    }),
  );
}

/** What would change as a table, with its count. Pure. */
export function printSimulation({ changes, total, pods, withoutPorts }: Simulation, portsGiven: boolean): string {
  const rows = changes.map(({ from, to, port, family, before, after, decidedBy }) => [
    ...[from, to, port, `IPv${family}`],
    ...[WORDS[before], WORDS[after], decidedBy],
  ]);
  const table =
    changes.length === 0 ? '' : printColumns([['FROM', 'TO', 'PORT', 'FAMILY', 'NOW', 'THEN', 'DECIDED BY'], ...rows]);
  const rest = total > changes.length ? `; ${total - changes.length} more are not shown (--limit)` : '';
  const count = total === 0 ? 'No connection' : total === 1 ? '1 connection' : `${total} connections`;
  const lines = [`${count} between ${pods} pods would change${rest}.`];
  if (withoutPorts.length > 0) {
    const asked = portsGiven ? 'asked about --port alone' : 'not asked about (--port)';
    const names = withoutPorts.slice(0, 5).join(', ');
    const more = withoutPorts.length > 5 ? ` and ${withoutPorts.length - 5} more` : '';
    lines.push(`Without declared ports and ${asked}: ${names}${more}.`);
  }
  return `${table}${lines.join('\n')}\n`;
}

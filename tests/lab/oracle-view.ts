import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Cell } from '@calico/lab';
import { parseAllDocuments } from 'yaml';
import { type Oracle, oracleOf } from '../oracle/oracle.ts';
import type { PodSpec, RawResource } from '../oracle/resources.ts';
import type { Report } from './lab-command.ts';

/** Every object of the YAML files in a folder and its folders. */
export function readFolder(folder: string): RawResource[] {
  return readdirSync(folder)
    .sort()
    .flatMap(name => {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) return readFolder(path);
      if (!/\.ya?ml$/.test(name)) return [];
      return parseAllDocuments(readFileSync(path, 'utf8')).map(document => document.toJS() as RawResource | null);
    })
    .filter(resource => resource !== null);
}

/** A pod that the manifests ask for, with the address and node that the lab gave it. */
export interface KnownPod {
  readonly key: string;
  readonly ip: string;
  readonly node: string;
  /** Name of its Deployment; a bare pod's own. */
  readonly app: string;
  readonly resource: RawResource;
  readonly ports: readonly { readonly containerPort: number; readonly protocol: string }[];
}

interface Template {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec: PodSpec;
}

/**
 * The pods of a report as raw resources: labels, ports and account as the manifests say, not as the lab does; only
 * addresses and nodes are the lab's. Throws for a pod that no manifest asks for.
 */
export function knownPods(manifests: readonly RawResource[], report: Report): KnownPod[] {
  return report.pods.map(({ key, ips, node }) => {
    const [namespace = '', name = ''] = key.split('/');
    const [, deployment, hash] = /^(.+)-([a-z0-9]{9})-[a-z0-9]{5}$/.exec(name) ?? [];
    const owner = manifests.find(
      ({ kind, metadata }) =>
        (metadata.namespace ?? 'default') === namespace &&
        ((kind === 'Deployment' && metadata.name === deployment) || (kind === 'Pod' && metadata.name === name)),
    );
    if (owner === undefined) throw new Error(`no manifest asks for pod ${key}`);
    const isBare = owner.kind === 'Pod';
    const template = isBare ? (owner as unknown as Template) : (owner.spec as { template: Template }).template;
    const labels = { ...template.metadata?.labels, ...(isBare ? {} : { 'pod-template-hash': hash ?? '' }) };
    const ip = ips[0] ?? '';
    return {
      key,
      ip,
      node,
      app: owner.metadata.name,
      resource: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace, labels },
        spec: { ...template.spec, nodeName: node },
        status: { phase: 'Running', podIP: ip },
      },
      ports: (template.spec.containers ?? []).flatMap(({ ports = [] }) =>
        ports.map(({ containerPort, protocol = 'TCP' }) => ({ containerPort, protocol })),
      ),
    };
  });
}

const policyKinds = ['NetworkPolicy', 'GlobalNetworkPolicy', 'ClusterNetworkPolicy'];

/** The oracle for the cluster of a report, with or without the policies of the manifests. */
export function oracleFor(
  manifests: readonly RawResource[],
  pods: readonly KnownPod[],
  report: Report,
  policies: boolean,
): Oracle {
  const nodes = report.nodes.map(({ name, address }) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: { addresses: [{ type: 'InternalIP', address: address.split('/')[0] ?? '' }] },
  }));
  const others = manifests.filter(({ kind }) => kind !== 'Pod' && (policies || !policyKinds.includes(kind)));
  return oracleOf([...others, ...pods.map(pod => pod.resource), ...nodes]);
}

/** Every connection that a whole matrix has, `from to:port`, with the oracle's verdict as a cell words it. */
export function expectedCells(oracle: Oracle, pods: readonly KnownPod[]): Record<string, string> {
  const cells: Record<string, string> = {};
  for (const from of pods) {
    for (const to of pods) {
      if (from === to) continue;
      for (const { containerPort, protocol } of to.ports) {
        if (protocol === 'TCP')
          cells[`${from.key} ${to.key}:${containerPort}`] = judge(oracle, from, to, 6, containerPort);
      }
    }
  }
  return cells;
}

/** The oracle's word on one connection, as a cell words it. */
export function judge(
  oracle: Oracle,
  from: KnownPod,
  to: KnownPod,
  protocol: 6 | 17,
  destinationPort: number,
): 'open' | 'closed' {
  const ends = { source: { pod: from.key }, destination: { pod: to.key } };
  const { verdict } = oracle.judge({ ...ends, protocol, sourcePort: 40000, destinationPort });
  return verdict === 'allow' ? 'open' : 'closed';
}

/** What the lab found, in the shape of `expectedCells`. */
export function foundCells(cells: readonly Cell[]): Record<string, string> {
  return Object.fromEntries(cells.map(cell => [`${cell.from} ${cell.to}:${cell.port}`, cell.found]));
}

import { join } from 'node:path';
import { podsOf, portsOf, readManifests } from './deployments.ts';
import type { Cell, Matrix } from './matrix.ts';
import { oracleOf } from './oracle.ts';
import type { Place } from './packet.ts';
import type { RawResource } from './resources.ts';

const example = join(import.meta.dirname, '../../examples/online-boutique');

/** An address outside the cluster (RFC 5737), for the row of callers that are no pod. */
const outside = '192.0.2.1';

/**
 * The connectivity of the Online Boutique: every deployment, and a caller from outside, to every deployment's declared
 * ports over TCP; first without policies, then with the application's own.
 */
export function onlineBoutique(): Matrix[] {
  const manifests = readManifests(join(example, 'manifests'));
  const policies = readManifests(join(example, 'network-policies'));
  return [
    connectivity('Online Boutique without policies', manifests),
    connectivity('Online Boutique with its network policies', [...manifests, ...policies]),
  ];
}

function connectivity(title: string, resources: readonly RawResource[]): Matrix {
  const deployments = resources
    .filter(({ kind }) => kind === 'Deployment')
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const pods = deployments
    .flatMap(podsOf)
    .map((pod, index) => ({ ...pod, status: { podIP: `10.244.0.${index + 1}` } }));
  const oracle = oracleOf([...resources, ...pods]);
  const firstPod = (deployment: RawResource): Place => ({ pod: `default/${deployment.metadata.name}-0` });

  const sources = [
    ...deployments.map(deployment => ({ name: deployment.metadata.name, place: firstPod(deployment) })),
    { name: '(outside)', place: { ip: outside } },
  ];
  const targets = deployments.flatMap(deployment =>
    portsOf(deployment).map(port => ({ name: deployment.metadata.name, place: firstPod(deployment), port })),
  );
  const cell = (source: (typeof sources)[number], target: (typeof targets)[number]): Cell => {
    if (source.name === target.name) return 'itself';
    const packet = { source: source.place, destination: target.place, protocol: 6, sourcePort: 40000 };
    const { verdict } = oracle.judge({ ...packet, destinationPort: target.port });
    return verdict === 'allow' ? 'allowed' : 'denied';
  };
  return {
    title,
    rows: sources.map(({ name }) => name),
    columns: targets.map(({ name, port }) => `${name}:${port}`),
    cells: sources.map(source => targets.map(target => cell(source, target))),
  };
}

import { kinds } from '@calico/api';
import { Failure } from '../failure.ts';
import type { CtlKind } from './ctl-kind.ts';
import { nodeKind } from './node.ts';
import { poolKind } from './pool.ts';
import { profileKind } from './profile.ts';
import { readOnlyKind, storedKind } from './stored-kind.ts';
import { workloadEndpointKind } from './workload-endpoint.ts';

/** The kinds that are not just stored. */
const OWN = new Map([
  ['ClusterInformation', readOnlyKind],
  ['IPPool', poolKind],
  ['Profile', profileKind],
  ['WorkloadEndpoint', workloadEndpointKind],
]);

/** Every kind that calicoctl deals with. */
export const ctlKinds: readonly CtlKind[] = [
  nodeKind,
  ...kinds.flatMap(kind =>
    kind.calicoctl === undefined ? [] : [(OWN.get(kind.kind) ?? storedKind)(kind, kind.calicoctl)],
  ),
];

/** The kind that a user's word means, in any case. Throws a Failure that names all there are. */
export function ctlKindByName(name: string): CtlKind {
  const word = name.toLowerCase();
  const found = ctlKinds.find(kind => kind.aliases.includes(word));
  if (found !== undefined) return found;
  const allowed = ctlKinds.map(kind => kind.kind.toLowerCase()).sort();
  throw new Failure(`resource type '${name}' is not supported; allowed: ${allowed.join(', ')}`);
}

/** The kind of a document. */
export function ctlKindOf(apiVersion: string, kind: string): CtlKind | undefined {
  return ctlKinds.find(candidate => candidate.kind === kind && candidate.apiVersion === apiVersion);
}

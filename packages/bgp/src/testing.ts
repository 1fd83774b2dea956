import type { BGPConfigurationSpec, BGPPeerSpec, CalicoNodeSpec, IPPoolSpec, ResourceUpdate } from '@calico/api';

function update(kind: ResourceUpdate['kind'], name: string, spec: unknown, labels: Record<string, string> = {}) {
  const resource = { apiVersion: 'projectcalico.org/v3', kind, metadata: { name, labels }, spec };
  return { kind, name, resource } satisfies ResourceUpdate;
}

/** A node's update. */
export function node(name: string, bgp: CalicoNodeSpec['bgp'], labels?: Record<string, string>): ResourceUpdate {
  return update('CalicoNode', name, { bgp }, labels);
}

/** The update of a BGPConfiguration, by default of the cluster's. */
export function config(spec: BGPConfigurationSpec, name = 'default'): ResourceUpdate {
  return update('BGPConfiguration', name, spec);
}

/** A BGPPeer's update. */
export function peer(name: string, spec: BGPPeerSpec): ResourceUpdate {
  return update('BGPPeer', name, spec);
}

/** An IPPool's update, named after its CIDR. */
export function pool(cidr: string, spec: Partial<IPPoolSpec> = {}): ResourceUpdate {
  return update('IPPool', cidr.replace(/[:./]/g, '-'), { cidr, ...spec });
}

/** The update of a node's claim on a block. */
export function block(cidr: string, owner = 'node1', state = 'confirmed'): ResourceUpdate {
  return update('BlockAffinity', `${owner}-${cidr.replace(/[:./]/g, '-')}`, { cidr, node: owner, state, type: 'host' });
}

import {
  BGPConfiguration,
  BGPPeer,
  ClusterInformation,
  FelixConfiguration,
  IPAMConfiguration,
  IPPool,
  type Kind,
  type Resource,
} from '@calico/api';
import { type Client, isAlreadyExists } from '@calico/datastore';
import type { Encapsulation, LabPlan } from './plan.ts';

const vxlanModes = { none: 'Never', vxlan: 'Always', 'cross-subnet': 'CrossSubnet' } as const satisfies Record<
  Encapsulation,
  string
>;

const v3 = 'projectcalico.org/v3';

/** Creates what an installer would: the pool, BGP through the router, and Calico's default objects. */
export async function seedCluster(client: Client, plan: LabPlan, version: string): Promise<void> {
  const create = async <R extends Resource>(kind: Kind<R>, name: string, spec: R['spec']) => {
    const resource = { apiVersion: v3, kind: kind.kind, metadata: { name }, spec } as unknown as R;
    await client.create(kind, resource).catch(error => {
      if (!isAlreadyExists(error)) throw error;
    });
  };
  await Promise.all([
    create(ClusterInformation, 'default', {
      clusterGUID: crypto.randomUUID().replaceAll('-', ''),
      clusterType: 'k8s,lab,kdd',
      calicoVersion: version,
      datastoreReady: true,
    }),
    create(FelixConfiguration, 'default', { logSeverityScreen: 'Info', reportingInterval: '0s' }),
    create(IPAMConfiguration, 'default', { strictAffinity: false, autoAllocateBlocks: true }),
    // The mesh is not needed: the router reflects every node's routes.
    create(BGPConfiguration, 'default', { nodeToNodeMeshEnabled: false, asNumber: plan.asNumber }),
    create(IPPool, 'default-ipv4-ippool', {
      cidr: plan.podCidr,
      blockSize: 26,
      natOutgoing: true,
      ipipMode: 'Never',
      vxlanMode: vxlanModes[plan.encapsulation],
      nodeSelector: 'all()',
    }),
  ]);
  if (plan.encapsulation !== 'none') return;
  await create(BGPPeer, 'router', { peerIP: plan.api.address, asNumber: plan.asNumber });
}

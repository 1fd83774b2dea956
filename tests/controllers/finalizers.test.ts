import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { GlobalNetworkPolicy, IPPool, type Kind, type Resource, Service, Tier } from '@calico/api';
import { find } from '@calico/controllers';
import { until } from '../faults/until.ts';
import { crdFolder } from '../kubernetes/crds.ts';
import { BUILD_MS, missingForKubernetes } from '../kubernetes/server.ts';
import { addNode, addPod, type Cluster, embeddedCluster, kubernetesCluster, losePod } from './cluster.ts';
import { type ControllersProcess, startProcess } from './controllers-process.ts';

const at = 'projectcalico.org/v3';

/**
 * What is held while it is deleted, and what services get, on a real server. One that refuses to delete a tier with policies
 * at once leaves nothing to hold.
 */
function stories(start: () => Promise<Cluster>, startMs: number, refusesFullTiers: boolean): void {
  setDefaultTimeout(60_000);
  let cluster: Cluster;
  let process: ControllersProcess;
  beforeAll(async () => {
    cluster = await start();
    process = await startProcess(cluster);
  }, startMs);
  afterAll(async () => {
    await process.end('SIGTERM');
    await cluster.stop();
  });
  const read = <R extends Resource>(kind: Kind<R>, name: string) => find(() => cluster.calico.get(kind, { name }));

  test('a pool says that it gives out addresses, and outlives its deletion until its last address is back', async () => {
    await until(async () => (await read(IPPool, 'pool'))?.metadata.finalizers?.length === 1);
    expect((await read(IPPool, 'pool'))?.status?.conditions).toMatchObject([
      { type: 'Allocatable', status: 'True', reason: 'OK' },
    ]);
    await addNode(cluster, 'one');
    const ip = await addPod(cluster, 'one', 'web');
    await cluster.calico.delete(IPPool, { name: 'pool' });
    await until(async () => (await read(IPPool, 'pool'))?.status?.conditions?.[0]?.reason === 'Terminating');
    await until(async () => (await cluster.ipam.usage()).pools[0]?.blocks[0]?.affinity === undefined);
    expect((await cluster.ipam.addressesByHandle('k8s-pod-network.web')).length).toBe(1);
    expect(ip).toStartWith('10.65.');
    await losePod(cluster, 'web');
    await cluster.ipam.releaseByHandle('k8s-pod-network.web');
    await until(async () => (await read(IPPool, 'pool')) === undefined);
    expect(await cluster.ipam.check()).toEqual([]);
  });

  if (!refusesFullTiers) {
    test('a tier outlives its deletion until its last policy is gone', async () => {
      await cluster.calico.create(Tier, {
        apiVersion: at,
        kind: 'Tier',
        metadata: { name: 'security' },
        spec: { order: 10 },
      });
      const policy = {
        apiVersion: at,
        kind: 'GlobalNetworkPolicy',
        metadata: { name: 'security.deny' },
        spec: { tier: 'security', selector: 'all()' },
      } as const;
      await cluster.calico.create(GlobalNetworkPolicy, policy);
      await until(async () => (await read(Tier, 'security'))?.metadata.finalizers?.length === 1);
      await cluster.calico.delete(Tier, { name: 'security' });
      expect((await read(Tier, 'security'))?.metadata.deletionTimestamp).toBeDefined();
      await cluster.calico.delete(GlobalNetworkPolicy, policy.metadata);
      await until(async () => (await read(Tier, 'security')) === undefined);
    });
  }

  test('a service of type LoadBalancer gets an address, and gives it back when it goes', async () => {
    await cluster.calico.create(IPPool, {
      apiVersion: at,
      kind: 'IPPool',
      metadata: { name: 'services' },
      spec: { cidr: '10.99.0.0/24', allowedUses: ['LoadBalancer'] },
    });
    const key = { namespace: 'default', name: 'web' };
    await cluster.kubernetes.create(Service, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: key,
      spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80, protocol: 'TCP' }] },
    });
    const ingress = async () => (await cluster.kubernetes.get(Service, key)).status?.loadBalancer?.ingress?.[0]?.ip;
    await until(async () => (await ingress())?.startsWith('10.99.0.') === true);
    await cluster.kubernetes.delete(Service, key);
    await until(async () => (await cluster.ipam.usage()).pools.every(({ allocated }) => allocated === 0));
  });
}

const missing = missingForKubernetes() ?? (crdFolder() === undefined ? 'needs manifests/crds' : undefined);
describe('pools, tiers and services on the embedded API server:', () => stories(embeddedCluster, 60_000, true));
describe.skipIf(missing !== undefined)(
  `pools, tiers and services on a real kube-apiserver${missing === undefined ? '' : ` (skipped: ${missing})`}:`,
  () => stories(kubernetesCluster, BUILD_MS, false),
);

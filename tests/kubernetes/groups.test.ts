import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  type EndpointSlice,
  GlobalNetworkPolicy,
  GlobalNetworkSet,
  IPAMBlock,
  IPAMConfiguration,
  type Kind,
  type KubernetesNetworkPolicy,
  kindOf,
  NetworkPolicy,
  Pod,
  type Resource,
  type ResourceUpdate,
} from '@calico/api';
import { type Client, isNotFound, keyOf, startFelixSyncer } from '@calico/datastore';
import { calicoClient } from '@calico/datastore/kubernetes';
import { systemClock, systemRandom } from '@calico/process';
import { crdFolder, createCrds, deleteCrds, readCrds } from './crds.ts';
import { emptyStore } from './empty-store.ts';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from './server.ts';

const NATIVE = 'projectcalico.org';
const CRD = 'crd.projectcalico.org';
const folder = crdFolder();
const missing = missingForKubernetes() ?? (folder === undefined ? 'needs manifests/crds' : undefined);

/** One of everything that Felix reads of Kubernetes' own kinds, and policies of ours. */
const OBJECTS: Resource[] = [
  { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec: { podCIDR: '10.1.0.0/24' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'a' } }, spec: {} },
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot', namespace: 'shop' } },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', labels: { app: 'web' } },
    spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'example.com/web:1' }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80 }] },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.0.7'], conditions: { ready: true } }],
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  } as EndpointSlice,
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'deny', namespace: 'shop' },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  } as KubernetesNetworkPolicy,
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'Tier',
    metadata: { name: 'ops' },
    spec: { order: 100 },
  },
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'GlobalNetworkPolicy',
    metadata: { name: 'ops.dns' },
    spec: { tier: 'ops', selector: 'all()', egress: [{ action: 'Allow' }] },
  },
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'NetworkPolicy',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: "app == 'web'", ingress: [{ action: 'Allow' }] },
  },
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPPool',
    metadata: { name: 'pool' },
    spec: { cidr: '10.1.0.0/16' },
  },
];

/** What is in the model once they are all there. */
const MODEL = [
  'CalicoNode node-1',
  'EndpointSlice shop/web-1',
  'GlobalNetworkPolicy ops.dns',
  'IPPool pool',
  'KubernetesNetworkPolicy shop/deny',
  'NetworkPolicy shop/web',
  'Profile kns.shop',
  'Profile ksa.shop.robot',
  'Service shop/web',
  'Tier ops',
  'WorkloadEndpoint shop/node--1-k8s-web-eth0',
];

function kindIn(resource: Resource): Kind {
  const kind = kindOf(resource.apiVersion, resource.kind);
  if (kind === undefined) throw new Error(`${resource.apiVersion} ${resource.kind} is not known`);
  return kind;
}

/** Deletes what is left of the objects. */
async function removeObjects(server: KubernetesServer, client: Client): Promise<void> {
  for (const object of OBJECTS) {
    try {
      await client.delete(kindIn(object), keyOf(object), { gracePeriodSeconds: 0 });
    } catch (err) {
      if (!isNotFound(err)) throw err;
    }
  }
  await emptyStore(server, client);
}

function groups(crds: string): void {
  let server: KubernetesServer;
  beforeAll(async () => {
    server = await startKubernetes();
  }, BUILD_MS);
  afterAll(() => server.stop());

  const open = (): Client => calicoClient(server.config, { env: {} });
  const set: GlobalNetworkSet = {
    apiVersion: 'projectcalico.org/v3',
    kind: 'GlobalNetworkSet',
    metadata: { name: 'a', labels: { role: 'web' } },
    spec: { nets: ['10.0.0.0/8'] },
  };
  const stored = async (
    group: string,
    version: string,
    plural: string,
    name: string,
  ): Promise<Resource | undefined> => {
    const answer = await server.request('GET', `/apis/${group}/${version}/${plural}/${name}`);
    return answer.ok ? ((await answer.json()) as Resource) : undefined;
  };

  /** The model that a Felix would have of the server. */
  const synced = async (client: Client, act: (model: Map<string, Resource>) => Promise<void>): Promise<void> => {
    const model = new Map<string, Resource>();
    const controller = new AbortController();
    const take = (updates: ResourceUpdate[]): void => {
      for (const { kind, namespace, name, resource } of updates) {
        const key = `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
        if (resource === undefined) model.delete(key);
        else model.set(key, resource);
      }
    };
    const deps = { clock: systemClock, random: systemRandom, signal: controller.signal };
    const syncer = startFelixSyncer(client, { onUpdates: take, onInSync: () => {} }, deps);
    try {
      await server.until(async () => syncer.inSync);
      await act(model);
    } finally {
      controller.abort();
      await syncer.done;
    }
  };

  const felixSees = (name: string): void => {
    test(`Felix's syncer sees Kubernetes' kinds and Calico's alike (${name})`, async () => {
      const client = open();
      await synced(client, async model => {
        const before = new Set(model.keys());
        const made = (): string[] => [...model.keys()].filter(key => !before.has(key)).sort();
        for (const object of OBJECTS) await client.create(kindIn(object), object);
        // As the CNI plugin tells of the pod's address.
        const key = { namespace: 'shop', name: 'web' };
        const annotations = { 'cni.projectcalico.org/podIP': '10.1.0.7/32' };
        await client.patch(Pod, key, { metadata: { annotations } }, { type: 'strategic', subresource: 'status' });
        const endpoint = (): Resource | undefined => model.get('WorkloadEndpoint shop/node--1-k8s-web-eth0');
        await server.until(async () => JSON.stringify(endpoint()).includes('10.1.0.7'));
        await server.until(async () => made().length >= MODEL.length);
        expect(made()).toEqual(MODEL);
        await client.delete(Pod, key, { gracePeriodSeconds: 0 });
        await client.delete(NetworkPolicy, key);
        await client.delete(GlobalNetworkPolicy, { name: 'ops.dns' });
        await server.until(async () => made().length === MODEL.length - 3);
        // What is there at the start is the same as what came while watching.
        const left = made();
        await synced(client, async fresh => {
          expect([...fresh.keys()].filter(entry => !before.has(entry)).sort()).toEqual(left);
        });
      });
      await removeObjects(server, client);
    });
  };

  const forgetsManagers = (group: string, version: string): void => {
    test(`who set which field is forgotten with a block's first update, and not of other kinds (${version})`, async () => {
      const client = open();
      const managers = async (plural: string, name: string) =>
        (await stored(group, version, plural, name))?.metadata.managedFields?.length ?? 0;
      const made = await client.create(IPAMBlock, IPAMBlock.example());
      const { name } = made.metadata;
      expect(await managers('ipamblocks', name)).toBe(1);
      let block = made;
      for (const sequenceNumber of [5, 6]) {
        block = await client.update(IPAMBlock, { ...block, spec: { ...block.spec, sequenceNumber } });
        expect(block.spec).toEqual({ ...made.spec, sequenceNumber });
        expect(await managers('ipamblocks', name)).toBe(0);
      }
      await expect(client.update(IPAMBlock, made)).rejects.toMatchObject({ code: 'Conflict' });
      await client.delete(IPAMBlock, { name });
      const other = await client.create(GlobalNetworkSet, set);
      await client.update(GlobalNetworkSet, { ...other, spec: { nets: ['10.9.0.0/24'] } });
      expect(await managers('globalnetworksets', 'a')).toBe(1);
      await client.delete(GlobalNetworkSet, { name: 'a' });
    });
  };

  describe('where only projectcalico.org is installed', () => {
    beforeAll(() => createCrds(server, readCrds(crds, NATIVE)));

    test('objects are stored as they are', async () => {
      const client = open();
      await client.create(GlobalNetworkSet, set);
      expect(await stored(NATIVE, 'v3', 'globalnetworksets', 'a')).toMatchObject(set);
      await client.delete(GlobalNetworkSet, { name: 'a' });
    });

    forgetsManagers(NATIVE, 'v3');
    felixSees('v3');
  });

  describe('where both groups are installed', () => {
    beforeAll(() => createCrds(server, readCrds(crds, CRD)));

    test('objects are stored under crd.projectcalico.org', async () => {
      const client = open();
      const made = await client.create(GlobalNetworkSet, set);
      const held = await stored(CRD, 'v1', 'globalnetworksets', 'a');
      expect(await stored(NATIVE, 'v3', 'globalnetworksets', 'a')).toBeUndefined();
      expect(held?.metadata.uid).not.toBe(made.metadata.uid);
      expect(held?.metadata.labels).toBeUndefined();
      expect(await client.get(GlobalNetworkSet, { name: 'a' })).toEqual(made);
      await client.delete(GlobalNetworkSet, { name: 'a' }, { uid: made.metadata.uid ?? '' });
    });

    test('the configuration of IPAM is an IPAMConfig', async () => {
      const client = open();
      const made = await client.create(IPAMConfiguration, IPAMConfiguration.example());
      expect(await stored(CRD, 'v1', 'ipamconfigs', 'default')).toMatchObject({ kind: 'IPAMConfig', spec: made.spec });
      await client.update(IPAMConfiguration, { ...made, spec: { ...made.spec, strictAffinity: true } });
      expect((await client.get(IPAMConfiguration, { name: 'default' })).spec.strictAffinity).toBe(true);
    });
  });

  describe('where only crd.projectcalico.org is installed', () => {
    beforeAll(() => deleteCrds(server, readCrds(crds, NATIVE)));

    forgetsManagers(CRD, 'v1');
    felixSees('v1');

    test("an object that kubectl made is read as Calico's", async () => {
      const plain = { ...set, apiVersion: 'crd.projectcalico.org/v1', metadata: { name: 'b', labels: { role: 'db' } } };
      expect((await server.request('POST', '/apis/crd.projectcalico.org/v1/globalnetworksets', plain)).ok).toBe(true);
      const { items } = await open().list(GlobalNetworkSet, { labelSelector: 'role=db' });
      expect(items).toMatchObject([
        { apiVersion: 'projectcalico.org/v3', metadata: { name: 'b', labels: { role: 'db' } } },
      ]);
    });
  });
}

if (missing !== undefined || folder === undefined) {
  test.skip(`API groups of a real kube-apiserver (${missing})`, () => {});
} else {
  describe('on a real kube-apiserver', () => groups(folder));
}

import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CalicoNode, ClusterInformation, FelixConfiguration, IPPool, Node, nodeToCalicoNode, Tier } from '@calico/api';
import type { Client } from '@calico/datastore';
import { etcdClient } from '@calico/datastore/etcd';
import { calicoClient } from '@calico/datastore/kubernetes';
import { fillThreadPool } from '@calico/kernel/linux';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { createCrds, OUR_CRDS, readCrds } from '../kubernetes/crds.ts';
import { BUILD_MS, missingForKubernetes, startKubernetes } from '../kubernetes/server.ts';
import { NodeHost, until } from './node-host.ts';

/** A datastore with the environment that leads to it. */
interface Store {
  readonly client: Client;
  readonly port: number;
  env(folder: string): Record<string, string>;
  stop(): Promise<void>;
}

async function kubernetesStore(): Promise<Store> {
  const server = await startKubernetes();
  await createCrds(server, readCrds(OUR_CRDS, 'projectcalico.org'));
  const client = calicoClient(server.config, { env: { CALICO_API_GROUP: 'projectcalico.org/v3' } });
  for (const name of ['node-1', 'node-2']) {
    const made = await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} });
    const addresses = [{ type: 'InternalIP', address: '192.0.2.12' }];
    await client.updateStatus(Node, { ...made, status: { addresses } });
  }
  return {
    client,
    port: server.port,
    env(folder) {
      const path = join(folder, 'kubeconfig');
      const cluster = { server: server.url, 'certificate-authority-data': Buffer.from(server.ca).toString('base64') };
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster }],
        users: [{ name: 'u', user: { token: server.token } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      };
      writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
      return { DATASTORE_TYPE: 'kubernetes', KUBECONFIG: path, CALICO_API_GROUP: 'projectcalico.org/v3' };
    },
    stop: () => server.stop(),
  };
}

async function etcdStore(): Promise<Store> {
  const server = await EtcdServer.start();
  const client = etcdClient({ endpoints: [server.url] });
  return {
    client,
    port: server.port,
    env: () => ({ DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: server.url }),
    async stop() {
      client.close();
      await server.stop();
    },
  };
}

const missing = missingForKubernetes();
const asRoot = process.getuid?.() === 0 ? undefined : 'needs root, or a user namespace';
const reason = missing ?? asRoot;

setDefaultTimeout(60_000);

for (const [name, open] of [
  ['a real kube-apiserver', kubernetesStore],
  ['a real etcd', etcdStore],
] as const) {
  const onKubernetes = open === kubernetesStore;
  if (reason !== undefined) {
    describe.skip(`the programs of a node on ${name} (${reason})`, () => test('…', () => {}));
    continue;
  }
  describe(`the programs of a node on ${name}`, () => {
    let store: Store;
    let host: NodeHost;
    let env: Record<string, string>;
    beforeAll(async () => {
      await fillThreadPool();
      store = await open();
    }, BUILD_MS);
    afterAll(() => store?.stop());
    beforeEach(() => {
      host?.close();
      host = new NodeHost();
      host.forward(store.port);
      host.addInterface('eth0', 1400, '192.0.2.11/24', '2001:db8::11/64');
      host.addInterface('eth1', 1500, '192.0.2.12/24');
      host.addInterface('cali123', 1500, '10.65.0.1/32');
      env = { ...store.env(host.folder), NODENAME: 'node-1', IP: 'autodetect', CLUSTER_TYPE: 'k8s,bgp' };
    });
    afterAll(() => host?.close());

    const run = (args: string, more: Record<string, string> = {}) =>
      host.run(['component', 'node', ...args.split(' ')], { ...env, ...more });
    const node = async (which = 'node-1'): Promise<CalicoNode> =>
      onKubernetes
        ? nodeToCalicoNode(await store.client.get(Node, { name: which }))
        : await store.client.get(CalicoNode, { name: which });

    test('startup puts node, pools and default objects there, and the node’s name on the disk; again, nothing changes', async () => {
      const first = await run('startup', { IP6: 'autodetect', CALICO_IPV4POOL_VXLAN: 'Always', AS: '65001' });
      expect(first).toMatchObject({ code: 0 });
      expect(first.text).toContain('IPv4 address 192.0.2.12/24 of eth1 by first-found');
      const { spec } = await node();
      expect(spec.bgp).toMatchObject({
        ipv4Address: '192.0.2.12/24',
        ipv6Address: '2001:db8::11/64',
        asNumber: 65_001,
      });
      // The kernel's own link-local addresses are listed too.
      const named = (text: string) => !text.startsWith('fe80:');
      const interfaces = spec.interfaces?.map(each => ({ ...each, addresses: each.addresses.filter(named) }));
      expect(interfaces).toEqual([
        { name: 'eth0', addresses: ['192.0.2.11', '2001:db8::11'] },
        { name: 'eth1', addresses: ['192.0.2.12'] },
      ]);
      expect(readFileSync(join(host.folder, 'lib/nodename'), 'utf8')).toBe('node-1');
      const pools = (await store.client.list(IPPool)).items;
      expect(pools.map(({ metadata, spec: { vxlanMode } }) => [metadata.name, vxlanMode])).toEqual([
        ['default-ipv4-ippool', 'Always'],
        ['default-ipv6-ippool', 'Never'],
      ]);
      expect((await store.client.list(Tier)).items).toHaveLength(3);
      const information = await store.client.get(ClusterInformation, { name: 'default' });
      expect(information.spec.clusterType).toBe(onKubernetes ? 'k8s,bgp,kdd' : 'k8s,bgp');
      expect((await store.client.list(FelixConfiguration)).items).toHaveLength(onKubernetes ? 1 : 2);

      const before = await node();
      expect(await run('startup', { IP6: 'autodetect', AS: '65001' })).toMatchObject({ code: 0 });
      expect(await node()).toEqual(before);
    });

    test('startup refuses what is not valid, by name', async () => {
      const { code, text } = await run('startup', { IP_AUTODETECTION_METHOD: 'nearest' });
      expect(code).toBe(1);
      expect(text).toContain('Cannot start: IP_AUTODETECTION_METHOD is "nearest"; allowed: first-found');
    });

    test('startup refuses the address of another node and names it', async () => {
      expect(await run('startup', { IP: '192.0.2.12' })).toMatchObject({ code: 0 });
      const second = { NODENAME: 'node-2', IP_AUTODETECTION_METHOD: 'cidr=192.0.2.12/32' };
      const { code, text } = await run('startup', second);
      expect(code).toBe(1);
      expect(text).toContain('192.0.2.12 is the address of node "node-1" already');
      expect(await run('startup', { ...second, IP_AUTODETECTION_METHOD: 'interface=eth0' })).toMatchObject({ code: 0 });
      expect((await node('node-2')).spec.bgp?.ipv4Address).toBe('192.0.2.11/24');
    });

    if (onKubernetes) {
      test('startup takes the address that Kubernetes has', async () => {
        const method = { IP_AUTODETECTION_METHOD: 'kubernetes-internal-ip', DISABLE_NODE_IP_CHECK: 'true' };
        expect(await run('startup', method)).toMatchObject({ code: 0 });
        expect((await node()).spec.bgp?.ipv4Address).toBe('192.0.2.12/24');
      });

      test('shutdown and startup --complete-startup tell Kubernetes whether the network is there', async () => {
        const condition = async () => {
          const { status } = await store.client.get(Node, { name: 'node-1' });
          return status?.conditions?.find(({ type }) => type === 'NetworkUnavailable');
        };
        expect(await run('shutdown')).toMatchObject({ code: 0 });
        expect(await condition()).toMatchObject({ status: 'True', reason: 'CalicoIsDown' });
        const noted = join(host.folder, 'lib/shutdownTS');
        expect(readFileSync(noted, 'utf8')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        expect(await run('startup --complete-startup')).toMatchObject({ code: 0 });
        expect(await condition()).toMatchObject({ status: 'False', reason: 'CalicoIsUp' });
        expect(existsSync(noted)).toBe(false);
      });

      test('startup of a node that no kubelet has registered says so', async () => {
        const { code, text } = await run('startup', { NODENAME: 'absent' });
        expect(code).toBe(1);
        expect(text).toContain('Node(absent)');
      });
    }

    test('allocate-tunnel-addrs gives the tunnel of a pool an address, and follows the pool while it runs', async () => {
      expect(await run('startup', { CALICO_IPV4POOL_VXLAN: 'Always' })).toMatchObject({ code: 0 });
      expect(await run('allocate-tunnel-addrs --run-once')).toMatchObject({ code: 0 });
      const address = (await node()).spec.ipv4VXLANTunnelAddr;
      expect(address).toMatch(/^192\.168\./);

      const monitor = host.start(['component', 'node', 'allocate-tunnel-addrs'], env);
      try {
        const pool = await store.client.get(IPPool, { name: 'default-ipv4-ippool' });
        await store.client.update(IPPool, { ...pool, spec: { ...pool.spec, vxlanMode: 'Never' } });
        await until('the address is gone', async () => (await node()).spec.ipv4VXLANTunnelAddr === undefined);
      } finally {
        monitor.kill('SIGTERM');
      }
      expect(await monitor.exited).toBe(0);
    });

    test('monitor-addresses follows the interfaces', async () => {
      expect(await run('startup')).toMatchObject({ code: 0 });
      const monitor = host.start(['component', 'node', 'monitor-addresses'], {
        ...env,
        IP_AUTODETECTION_METHOD: 'interface=eth.*',
        AUTODETECT_POLL_INTERVAL: '200ms',
      });
      try {
        host.addInterface('eth2', 1500, '198.51.100.7/24');
        await until('the node has the new address', async () => {
          const { bgp, interfaces } = (await node()).spec;
          return bgp?.ipv4Address === '198.51.100.7/24' && interfaces?.length === 3;
        });
      } finally {
        monitor.kill('SIGTERM');
      }
      expect(await monitor.exited).toBe(0);
    });

    test('health says what does not work, and refuses to be asked nothing', async () => {
      const asked = await run('health --felix-live --bird-live --bird-ready');
      expect(asked.code).toBe(1);
      expect(asked.text).toContain('Felix is not live: nobody answers at localhost port 9099');
      expect(asked.text).toContain('BIRD is not live');
      expect(await run('health')).toMatchObject({ code: 1, text: expect.stringContaining('--felix-ready') });
    });
  });
}

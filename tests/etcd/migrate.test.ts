import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  BGPPeer,
  BlockAffinity,
  CalicoNode,
  ClusterInformation,
  FelixConfiguration,
  GlobalNetworkPolicy,
  IPAMBlock,
  IPAMHandle,
  IPPool,
  type Kind,
  kinds,
  Namespace,
  NetworkPolicy,
  Node,
  Profile,
  type Resource,
  Tier,
} from '@calico/api';
import { type Client, ensureInitialized } from '@calico/datastore';
import { memoryClient } from '@calico/datastore/memory';
import { printAddr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { MOVED_KINDS } from '../../packages/programs/src/calicoctl/migrate/kinds.ts';
import { Desk } from '../../packages/programs/src/calicoctl/testing.ts';
import type { Datastore } from '../../packages/programs/src/datastore/open.ts';
import { describeEtcd } from './describe-etcd.ts';
import { openEtcd, useEtcd } from './use-etcd.ts';

const time = { clock: new ClockFake(), random: seededRandom(1) };
const apiVersion = 'projectcalico.org/v3';

describeEtcd('calicoctl datastore migrate', () => {
  const server = useEtcd();
  let datastore: Datastore;
  let from: Desk;
  let to: Desk;
  beforeEach(async () => {
    datastore = await openEtcd(server());
    from = new Desk(datastore.client);
    from.type = datastore.type;
    to = new Desk(memoryClient({ clock: time.clock }));
    await ensureInitialized(datastore.client, { datastore: 'etcdv3', ...time });
  });
  afterEach(() => {
    from.close();
    to.close();
    datastore.close();
  });

  const ipamOf = (client: Client) => new Ipam({ client, ...time });
  const assign = (node: string, handle: string, attributes: Record<string, string>) =>
    ipamOf(datastore.client).autoAssign({
      node,
      nodeLabels: {},
      handle,
      attributes: { node, ...attributes },
      ipv4: 1,
      ipv6: 0,
      intendedUse: 'Workload',
    });

  /** Two nodes, one of which Kubernetes calls otherwise, policies, a pool with addresses in use. */
  async function fill(): Promise<void> {
    const { client } = datastore;
    const make = <R extends Resource>(kind: Kind<R>, name: string, spec: unknown, namespace?: string) =>
      client.create(kind, { apiVersion, kind: kind.kind, metadata: { name, namespace }, spec } as Resource as R);
    const orchRefs = (nodeName: string) => ({ orchRefs: [{ orchestrator: 'k8s', nodeName }] });
    await make(CalicoNode, 'one', { bgp: { ipv4Address: '192.0.2.1/24' }, ...orchRefs('one') });
    await make(CalicoNode, 'two', orchRefs('kube-two'));
    await make(CalicoNode, 'metal', {});
    await make(Tier, 'night', { order: 5 });
    await make(IPPool, 'pods', { cidr: '10.65.0.0/16', blockSize: 26, vxlanMode: 'Always' });
    await make(GlobalNetworkPolicy, 'night.quiet', { tier: 'night', selector: 'all()' });
    await make(NetworkPolicy, 'own', { selector: 'app == "web"' }, 'shop');
    await make(NetworkPolicy, 'knp.default.copied', { selector: 'all()' }, 'shop');
    await make(FelixConfiguration, 'node.two', { logSeverityScreen: 'Debug' });
    await make(BGPPeer, 'rack', { node: 'two', peerIP: '192.0.2.9', asNumber: 64_513 });
    await make(Profile, 'kns.shop', {});
    await make(Profile, 'own-profile', {});
    await assign('one', 'net.a', { pod: 'a', namespace: 'shop' });
    await assign('two', 'net.b', { pod: 'b', namespace: 'shop' });
    await assign('two', 'vxlan-tunnel-addr-two', { type: 'vxlanTunnelAddress' });
  }

  /** A Kubernetes cluster with the nodes and namespaces of the old one. */
  async function makeCluster(...nodes: string[]): Promise<void> {
    for (const name of nodes)
      await to.client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} });
    await to.client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' }, spec: {} });
  }

  async function exported(): Promise<{ text: string; told: string[] }> {
    await from.run('datastore migrate lock');
    const { code, out, err } = await from.run('datastore migrate export');
    expect([code, out.slice(0, 4)]).toEqual([0, '---\n']);
    return { text: out, told: err.trim().split('\n') };
  }

  const importing = (text: string) => {
    to.file('calico.yaml', text);
    return to.run('datastore migrate import -f $DIR/calico.yaml');
  };

  test('moves everything, calls nodes as Kubernetes does, and leaves both locked', async () => {
    await fill();
    await makeCluster('one', 'kube-two');
    const { text, told } = await exported();
    expect(told).toEqual([
      'Node(metal) stays behind: it has no orchRef of "k8s", so Kubernetes does not know it',
      "Profile(own-profile) stays behind: Kubernetes' namespaces and service accounts are the profiles there",
    ]);
    const { code, out, err } = await importing(text);
    expect([code, err]).toEqual([0, '']);
    for (const line of ['2 Node', '1 IPPool', '1 NetworkPolicy', '3 IPAMHandle', '2 IPAMBlock', '2 BlockAffinity'])
      expect(out).toContain(`Imported ${line}\n`);

    const { client } = to;
    expect((await client.get(ClusterInformation, { name: 'default' })).spec).toMatchObject({
      datastoreReady: false,
      clusterGUID: (await datastore.client.get(ClusterInformation, { name: 'default' })).spec.clusterGUID,
    });
    expect((await client.get(IPPool, { name: 'pods' })).spec).toMatchObject({ cidr: '10.65.0.0/16', blockSize: 26 });
    expect((await client.list(NetworkPolicy)).items.map(({ metadata }) => metadata.name)).toEqual(['own']);
    expect((await client.get(FelixConfiguration, { name: 'node.kube-two' })).spec.logSeverityScreen).toBe('Debug');
    expect((await client.get(BGPPeer, { name: 'rack' })).spec.node).toBe('kube-two');
    const { annotations } = (await client.get(Node, { name: 'one' })).metadata;
    expect(annotations).toMatchObject({ 'projectcalico.org/IPv4Address': '192.0.2.1/24' });

    const [before, after] = [ipamOf(datastore.client), ipamOf(client)];
    for (const handle of ['net.a', 'net.b']) {
      const addresses = await after.addressesByHandle(handle);
      expect(addresses.map(({ addr }) => printAddr(addr))).toEqual(
        (await before.addressesByHandle(handle)).map(({ addr }) => printAddr(addr)),
      );
    }
    const [tunnel] = await after.addressesByHandle('vxlan-tunnel-addr-kube-two');
    expect(tunnel && (await after.lookup(tunnel.addr)).attributes).toEqual({
      node: 'kube-two',
      type: 'vxlanTunnelAddress',
    });
    expect(await after.check()).toEqual([]);
    // The nodes go on in the blocks that they had.
    await client.patch(ClusterInformation, { name: 'default' }, { spec: { datastoreReady: true } }, { type: 'merge' });
    for (const node of ['one', 'kube-two']) {
      await after.autoAssign({
        node,
        nodeLabels: {},
        handle: `net.${node}`,
        attributes: { node },
        ipv4: 1,
        ipv6: 0,
        intendedUse: 'Workload',
      });
    }
    expect((await client.list(IPAMBlock)).items).toHaveLength(2);
    expect((await client.list(BlockAffinity)).items.map(({ spec }) => spec.node).sort()).toEqual(['kube-two', 'one']);
    expect((await client.list(IPAMHandle)).items).toHaveLength(5);
  });

  test('goes on where an import was cut off', async () => {
    await fill();
    await makeCluster('one', 'kube-two');
    const { text } = await exported();
    const memory = to.client as ReturnType<typeof memoryClient>;
    memory.failNext('create', { code: 'Unavailable' }, IPAMBlock);
    const cut = await importing(text);
    expect(cut).toMatchObject({ code: 1, err: expect.stringContaining('the same import goes on') });
    expect((await memory.list(IPAMBlock)).items).toEqual([]);
    expect((await importing(text)).code).toBe(0);
    expect(await ipamOf(memory).check()).toEqual([]);
    expect((await importing(text)).code).toBe(0);
  });

  test('writes nothing where a node is missing, or data of Calico is there that the file does not have', async () => {
    await fill();
    await makeCluster('one');
    const { text } = await exported();
    expect(await importing(text)).toMatchObject({
      code: 1,
      err: expect.stringContaining('Kubernetes has no node "kube-two"'),
    });
    await to.client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'kube-two' }, spec: {} });
    const pool = { apiVersion, kind: 'IPPool' as const, metadata: { name: 'pods' }, spec: { cidr: '10.66.0.0/16' } };
    await to.client.create(IPPool, pool);
    await to.client.create(IPPool, { ...pool, metadata: { name: 'more' }, spec: { cidr: '10.67.0.0/16' } });
    const { err } = await importing(text);
    expect(err).toContain('IPPool(more) is there already, and not in the file');
    expect(err).toContain('IPPool(pods) is there already, with other content');
    expect((await to.client.list(Tier)).items).toEqual([]);
    expect((await to.client.list(IPAMHandle)).items).toEqual([]);
  });

  test('is refused between other datastores, unlocked, and from a file that export did not write', async () => {
    expect((await from.run('datastore migrate export')).err).toContain('Datastore is not locked.');
    expect((await to.run('datastore migrate export')).err).toContain('datastoreType is "kubernetes"; allowed: etcdv3');
    const { text } = await exported();
    from.file('calico.yaml', text);
    expect((await from.run('datastore migrate import -f $DIR/calico.yaml')).err).toContain('allowed: kubernetes');
    expect((await importing('apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n')).err).toContain(
      '"Pod" of "v1" is nothing that export writes',
    );
    expect((await importing(text.replace('apiVersion', 'extra: 1\napiVersion'))).err).toContain(
      'extra is no field of it',
    );
  });

  test('every kind of calicoctl is moved, or not for a reason', () => {
    const moved = new Set(MOVED_KINDS.map(({ kind }) => kind));
    const left = kinds.filter(({ kind, calicoctl }) => calicoctl !== undefined && !moved.has(kind));
    expect(left.map(({ kind }) => kind).sort()).toEqual([
      'CalicoNodeStatus', // What a node was asked at the time.
      'ClusterInformation', // Moved by itself, before all others.
      'Profile', // Derived from namespaces and service accounts.
      'WorkloadEndpoint', // Derived from pods.
    ]);
  });
});

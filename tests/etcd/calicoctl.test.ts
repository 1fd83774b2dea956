import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import {
  BGPFilter,
  CalicoNode,
  ClusterInformation,
  FelixConfiguration,
  HostEndpoint,
  type Kind,
  kinds,
  parseJson,
  printJson,
  type Resource,
  Tier,
  WorkloadEndpoint,
} from '@calico/api';
import { ensureInitialized, isNotFound } from '@calico/datastore';
import { cidr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { ctlKinds } from '../../packages/programs/src/calicoctl/kinds/registry.ts';
import { Desk } from '../../packages/programs/src/calicoctl/testing.ts';
import type { Datastore } from '../../packages/programs/src/datastore/open.ts';
import { describeEtcd } from './describe-etcd.ts';
import { openEtcd, useEtcd } from './use-etcd.ts';

const RESOURCES = '/calico/resources/v3/projectcalico.org';
const ROOT = join(import.meta.dir, '../..');

/** Where Calico keeps each kind that its calicoctl knows; `<example>` is the name of the example. */
const PLACES: Readonly<Record<string, string>> = {
  BGPConfiguration: `${RESOURCES}/bgpconfigurations/<example>`,
  BGPFilter: `${RESOURCES}/bgpfilters/<example>`,
  BGPPeer: `${RESOURCES}/bgppeers/<example>`,
  CalicoNodeStatus: `${RESOURCES}/caliconodestatuses/<example>`,
  ClusterInformation: `${RESOURCES}/clusterinformations/<example>`,
  FelixConfiguration: `${RESOURCES}/felixconfigurations/<example>`,
  GlobalNetworkPolicy: `${RESOURCES}/globalnetworkpolicies/<example>`,
  GlobalNetworkSet: `${RESOURCES}/globalnetworksets/<example>`,
  HostEndpoint: `${RESOURCES}/hostendpoints/<example>`,
  IPAMConfiguration: '/calico/ipam/v2/config',
  IPPool: `${RESOURCES}/ippools/<example>`,
  IPReservation: `${RESOURCES}/ipreservations/<example>`,
  KubeControllersConfiguration: `${RESOURCES}/kubecontrollersconfigurations/<example>`,
  NetworkPolicy: `${RESOURCES}/networkpolicies/<example>`,
  NetworkSet: `${RESOURCES}/networksets/<example>`,
  Node: `${RESOURCES}/nodes/<example>`,
  Profile: `${RESOURCES}/profiles/<example>`,
  StagedGlobalNetworkPolicy: `${RESOURCES}/stagedglobalnetworkpolicies/<example>`,
  StagedKubernetesNetworkPolicy: `${RESOURCES}/stagedkubernetesnetworkpolicies/<example>`,
  StagedNetworkPolicy: `${RESOURCES}/stagednetworkpolicies/<example>`,
  Tier: `${RESOURCES}/tiers/<example>`,
  WorkloadEndpoint: `${RESOURCES}/workloadendpoints/<example>`,
};
/** The system's own. */
const READ_ONLY = new Set(['ClusterInformation']);
/** Kept without room for labels. */
const WITHOUT_METADATA = new Set(['IPAMConfiguration']);

const served: Kind[] = [CalicoNode, ...kinds.filter(kind => kind.calicoctl !== undefined)];

describeEtcd('calicoctl on etcd', () => {
  const server = useEtcd();
  let datastore: Datastore;
  let desk: Desk;
  beforeEach(async () => {
    datastore = await openEtcd(server());
    desk = new Desk(datastore.client);
    desk.type = datastore.type;
    await ensureInitialized(datastore.client, { datastore: 'etcdv3', clock: new ClockFake(), random: seededRandom(1) });
  });
  afterEach(() => {
    desk.close();
    datastore.close();
  });

  const keys = async () =>
    (await server().ctl(['get', '/calico/', '--prefix', '--keys-only'])).split('\n').filter(Boolean);
  const put = (key: string, value: unknown) => server().ctl(['put', key], printJson(value));
  const value = async (key: string) => Object(parseJson(await server().ctl(['get', key, '--print-value-only'])));
  /** Runs a command line that has to succeed; gives what it prints. */
  const run = async (line: string, ...more: string[]): Promise<string> => {
    const { code, out, err } = await desk.run(line, ...more);
    if (code !== 0) throw new Error(`calicoctl ${line} failed: ${err}${out}`);
    return out;
  };
  /** What an example needs to be there before it. */
  const prepare = async (example: Resource): Promise<void> => {
    const { tier, filters = [] }: { tier?: string; filters?: string[] } = Object(example.spec);
    const { client } = datastore;
    if (tier !== undefined && example.kind !== 'Tier') {
      const there = await client.get(Tier, { name: tier }).catch(err => {
        if (!isNotFound(err)) throw err;
      });
      if (there === undefined)
        await client.create(Tier, { apiVersion: Tier.apiVersion, kind: 'Tier', metadata: { name: tier }, spec: {} });
    }
    for (const name of filters) await client.create(BGPFilter, { ...BGPFilter.example(), metadata: { name } });
  };

  test('the kinds are those of Calico, each in one place', () => {
    expect(ctlKinds.map(({ kind }) => kind).sort()).toEqual(Object.keys(PLACES).sort());
  });

  for (const kind of served.filter(({ kind }) => !READ_ONLY.has(kind))) {
    test(`${kind.kind}: validate, create, get, apply, replace, patch, label, delete`, async () => {
      const { uid: _uid, ...metadata } = kind.example().metadata;
      const example = { ...kind.example(), metadata };
      const { name, namespace } = metadata;
      const place = (PLACES[kind.kind] ?? '').replace(
        '<example>',
        namespace === undefined ? name : `${namespace}/${name}`,
      );
      const flags = namespace === undefined ? '' : ` -n ${namespace}`;
      const said = (what: string) => `Successfully ${what} 1 '${kind.kind}' resource(s)\n`;
      const { spec } = kind.default(structuredClone(example));
      await prepare(example);
      desk.file('in.yaml', printJson(example));

      expect(await run('validate -f $DIR/in.yaml')).toBe(said('validated'));
      const before = new Set(await keys());
      expect(await run('create -f $DIR/in.yaml')).toBe(said('created'));
      expect((await keys()).filter(key => !before.has(key))).toEqual([place]);
      expect((await desk.run('create -f $DIR/in.yaml')).err).toContain('resource already exists: ');
      const shown = Object(parseJson(await run(`get ${kind.kind} ${name} -o json${flags}`)));
      expect(shown).toMatchObject({ apiVersion: 'projectcalico.org/v3', kind: kind.kind, metadata: { name } });
      expect(shown.spec).toEqual(spec);
      expect(await run(`get ${kind.plural}${flags}`)).toContain(kind.kind === 'WorkloadEndpoint' ? 'web-0' : name);
      expect(await run(`get ${kind.plural} -o wide${flags}`)).toContain(name);

      const { uid } = (await value(place)).metadata ?? {};
      expect(await run('apply -f $DIR/in.yaml')).toBe(said('applied'));
      expect(await run('replace -f $DIR/in.yaml')).toBe(said('replaced'));
      expect((await value(place)).metadata?.uid).toBe(uid);
      if (!WITHOUT_METADATA.has(kind.kind)) {
        const patched = await run(`patch ${kind.kind} ${name}${flags} -p`, '{"metadata":{"labels":{"patched":"yes"}}}');
        expect(patched).toBe(`Successfully patched 1 '${kind.kind}' resource\n`);
        await run(`label ${kind.kind} ${name} mark=one${flags}`);
        await run(`label ${kind.kind} ${name} mark=two --overwrite${flags}`);
        expect((await value(place)).metadata.labels).toMatchObject({ patched: 'yes', mark: 'two' });
        await run(`label ${kind.kind} ${name} mark --remove${flags}`);
        expect((await value(place)).metadata.labels.mark).toBeUndefined();
      }
      expect(await run(`delete ${kind.kind} ${name}${flags}`)).toBe(said('deleted'));
      expect(await keys()).not.toContain(place);
      expect((await desk.run(`get ${kind.kind} ${name}${flags}`)).err).toContain('resource does not exist: ');
    });
  }

  test('ClusterInformation is read, and refused when it is written', async () => {
    expect(await keys()).toContain(`${RESOURCES}/clusterinformations/default`);
    expect(await run('get clusterinformation -o custom-columns=NAME,DATASTOREREADY')).toContain('true');
    desk.file('in.yaml', printJson(ClusterInformation.example()));
    expect((await desk.run('apply -f $DIR/in.yaml')).err).toContain('resource is readonly');
  });

  test('the profile that allows everything is shown, and cannot be changed', async () => {
    expect(await run('get profiles')).toContain('projectcalico-default-allow');
    const id = 'Profile(projectcalico-default-allow)';
    expect((await desk.run('delete profile projectcalico-default-allow')).err).toBe(
      `Failed to delete 'Profile' resource: operation Delete is not supported on ${id}: it is built in\n`,
    );
    desk.file(
      'in.yaml',
      `{"apiVersion":"projectcalico.org/v3","kind":"Profile","metadata":{"name":"projectcalico-default-allow"},"spec":{}}`,
    );
    expect((await desk.run('apply -f $DIR/in.yaml')).err).toContain(`operation Update is not supported on ${id}`);
    expect((await keys()).filter(key => key.includes('/profiles/'))).toEqual([]);
  });

  test('the first node makes a datastore that Calico can use', async () => {
    await server().empty();
    desk.file('node.yaml', printJson(CalicoNode.example()));
    await run('create -f $DIR/node.yaml');
    expect(await keys()).toEqual([
      `${RESOURCES}/clusterinformations/default`,
      `${RESOURCES}/nodes/node-1`,
      `${RESOURCES}/tiers/default`,
      `${RESOURCES}/tiers/kube-admin`,
      `${RESOURCES}/tiers/kube-baseline`,
    ]);
  });

  describe('what belongs to an object goes with it:', () => {
    const resource = (kind: Kind, name: string, spec: object) => ({
      apiVersion: kind.apiVersion,
      kind: kind.kind,
      metadata: { name },
      spec,
    });
    const pool =
      '{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"p"},"spec":{"cidr":"10.0.0.0/24"}}';
    const ipam = () => new Ipam({ client: datastore.client, clock: new ClockFake(), random: seededRandom(1) });

    test("a pool's blocks lose their owners, and addresses in use stay", async () => {
      desk.file('pool.yaml', pool);
      await run('create -f $DIR/pool.yaml');
      await ipam().assignIp({ address: cidr('10.0.0.1/32').addr, node: 'node-1', handle: 'a', attributes: {} });
      expect(await keys()).toContain('/calico/ipam/v2/host/node-1/ipv4/block/10.0.0.0-26');
      await run('delete ippool p');
      expect((await keys()).filter(key => key.startsWith('/calico/ipam'))).toEqual([
        '/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26',
        '/calico/ipam/v2/handle/a',
      ]);
    });

    test("a node's endpoints, addresses, blocks and configurations", async () => {
      const { client } = datastore;
      desk.file('pool.yaml', pool);
      desk.file('node.yaml', printJson(CalicoNode.example()));
      await run('create -f $DIR/pool.yaml');
      const before = await keys();
      await run('create -f $DIR/node.yaml');
      await ipam().assignIp({ address: cidr('10.0.0.1/32').addr, node: 'node-1', handle: 'a', attributes: {} });
      const endpoint = WorkloadEndpoint.example();
      await client.create(WorkloadEndpoint, { ...endpoint, spec: { ...endpoint.spec, ipNetworks: ['10.0.0.1/32'] } });
      await client.create(FelixConfiguration, resource(FelixConfiguration, 'node.node-1', {}) as FelixConfiguration);
      const host = { node: 'node-1', interfaceName: 'eth0' };
      await client.create(HostEndpoint, resource(HostEndpoint, 'h', host) as HostEndpoint);
      const other = resource(HostEndpoint, 'o', { ...host, node: 'node-2' }) as HostEndpoint;
      await client.create(HostEndpoint, other);
      await run('delete node node-1');
      expect(await keys()).toEqual([...before, `${RESOURCES}/hostendpoints/o`].sort());
    });
  });

  test('what Calico has written is shown and changed without losing anything', async () => {
    const key = `${RESOURCES}/networkpolicies/shop/knp.default.allow-web`;
    await put(key, {
      kind: 'NetworkPolicy',
      apiVersion: 'projectcalico.org/v3',
      metadata: {
        name: 'knp.default.allow-web',
        namespace: 'shop',
        uid: '6a0d4f2c-65ef-4bcd-b4ff-0ff2ac5fd7a3',
        creationTimestamp: '2026-01-02T03:04:05Z',
        annotations: { 'projectcalico.org/metadata': '{"name":"knp.default.allow-web"}' },
      },
      spec: {
        tier: 'default',
        order: 1000,
        ingress: [{ action: 'Allow', protocol: 'TCP', source: {}, destination: { ports: [80, '443:445', 'http'] } }],
        selector: "projectcalico.org/orchestrator == 'k8s' && app == 'web'",
        types: ['Ingress'],
        fromTheFuture: { kept: true },
      },
    });
    expect(await run('get networkpolicies -n shop')).toContain('knp.default.allow-web');
    await run('label networkpolicy knp.default.allow-web seen=yes -n shop');
    const stored = await value(key);
    expect(stored.metadata).toMatchObject({ labels: { seen: 'yes' }, uid: '6a0d4f2c-65ef-4bcd-b4ff-0ff2ac5fd7a3' });
    expect(stored.spec.fromTheFuture).toEqual({ kept: true });
    expect(stored.spec.ingress[0].destination.ports).toEqual([80, '443:445', 'http']);
  });

  test('the program itself finds etcd by its configuration file, and names one that is not there', async () => {
    const config = (endpoint: string) =>
      desk.file(
        'ctl.cfg',
        `apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nspec: {datastoreType: etcdv3, etcdEndpoints: "${endpoint}"}\n`,
      );
    const calicoctl = async (...args: string[]) => {
      const child = Bun.spawn([process.execPath, 'packages/programs/src/main.ts', 'ctl', ...args], {
        cwd: ROOT,
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
        env: { PATH: process.env.PATH, HOME: desk.folder },
      });
      const [code, out, err] = await Promise.all([
        child.exited,
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      return { code, out, err };
    };
    const { code, out } = await calicoctl('get', 'tiers', '-c', config(server().url));
    expect({ code, lines: out.split('\n').map(line => line.trim().split(/ +/)[0]) }).toEqual({
      code: 0,
      lines: ['NAME', 'default', 'kube-admin', 'kube-baseline', '', ''],
    });
    const away = await calicoctl('get', 'tiers', '-c', config('http://127.0.0.1:1'));
    expect(away.code).toBe(1);
    expect(away.err).toContain('http://127.0.0.1:1');
  });

  test('ipam check explains a leak, and release mends it', async () => {
    const { client } = datastore;
    const ipam = new Ipam({ client, clock: new ClockFake(), random: seededRandom(1) });
    desk.file(
      'pool.yaml',
      'apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: one}\nspec: {cidr: 10.9.0.0/24}\n',
    );
    await run('apply -f $DIR/pool.yaml');
    const attributes = { node: 'node-1', namespace: 'shop', pod: 'gone-0' };
    await ipam.assignIp({ address: cidr('10.9.0.7/32').addr, handle: 'net.gone', attributes, node: 'node-1' });
    await run('datastore migrate lock');
    expect(await run('ipam check --show-problem-ips -o $DIR/report.json')).toContain(
      '10.9.0.7 leaked; attrs Main:net.gone Extra:namespace=shop,node=node-1,pod=gone-0: pod shop/gone-0 does not exist',
    );
    expect(await run('ipam release --from-report $DIR/report.json')).toContain('Released 1 IPs successfully\n');
    expect(await run('ipam check')).toEndWith('Check complete; found 0 problems.\n');
    expect((await keys()).filter(key => key.includes('/ipam/v2/handle/'))).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterInformation, Namespace, Node, Pod, ServiceAccount } from '@calico/api';
import { Desk, expectGolden } from './testing.ts';

let desk: Desk;
beforeEach(async () => {
  desk = new Desk();
  desk.stdin = readFileSync(join(import.meta.dir, 'testdata/cluster.yaml'), 'utf8');
  const applied = await desk.run('apply -f -');
  expect(applied).toEqual({ code: 0, out: 'Successfully applied 14 resource(s)\n', err: '' });
  const v1 = { apiVersion: 'v1' };
  await desk.client.create(Namespace, {
    ...v1,
    kind: 'Namespace',
    metadata: { name: 'shop', labels: { team: 'a' } },
    spec: {},
  });
  await desk.client.create(ServiceAccount, {
    ...v1,
    kind: 'ServiceAccount',
    metadata: { name: 'cart', namespace: 'shop' },
  });
  await desk.client.create(Node, {
    ...v1,
    kind: 'Node',
    metadata: { name: 'node-1', annotations: { 'projectcalico.org/IPv4Address': '192.0.2.11/24' } },
    spec: {},
  });
  await desk.client.create(Node, {
    ...v1,
    kind: 'Node',
    metadata: { name: 'node-2', annotations: { 'projectcalico.org/ASNumber': '65001' } },
    spec: {},
  });
  const pod = Pod.example();
  await desk.client.create(Pod, {
    ...pod,
    metadata: { name: 'cart-0', namespace: 'shop', annotations: { 'cni.projectcalico.org/podIP': '10.244.1.7/32' } },
    spec: { ...pod.spec, nodeName: 'node-1', serviceAccountName: 'cart' },
  });
});
afterEach(() => desk.close());

const SHOWN = [
  'get ippools',
  'get pool -o wide',
  'get IPPool racks -o ps',
  'get ippools -o custom-columns=NAME,CIDR,NAT',
  'get np',
  'get np -A',
  'get policy -n shop -o wide',
  'get gnp -o wide',
  'get tiers',
  'get netsets -A -o wide',
  'get gnetsets',
  'get bgpconfig',
  'get bgppeers',
  'get felixconfig',
  'get ipamconfig -o wide',
  'get nodes',
  'get no -o wide',
  'get profiles -o wide',
  'get profile ksa.shop.cart',
  'get wep -A',
  'get weps -n shop -o wide',
  'get ippool racks -o yaml',
  'get ippool racks default-ipv4-ippool -o yaml --export',
  'get np cart -n shop --export -o json',
  'get gnetsets -o json',
];

test('get prints tables, YAML and JSON as calicoctl does', async () => {
  let text = '';
  for (const line of SHOWN) {
    const { code, out, err } = await desk.run(line);
    expect({ line, code, err }).toEqual({ line, code: 0, err: '' });
    text += `$ calicoctl ${line}\n${out}${out.endsWith('\n') ? '' : '\n'}`;
  }
  expectGolden('get.txt', text);
});

describe('get refuses', () => {
  const cases: { line: string; err: string }[] = [
    { line: 'get', err: 'neither a resource type nor --filename is given; allowed: one of them\n' },
    { line: 'get ippools -A', err: 'IPPool is not namespaced\n' },
    { line: 'get ippools -n shop', err: 'IPPool is not namespaced\n' },
    { line: 'get np -A -n shop', err: '--namespace is "shop" and --all-namespaces is set; allowed: one of them\n' },
    {
      line: 'get ippools -o xml',
      err: "unrecognized output format 'xml'; allowed: ps, wide, yaml, json, custom-columns=<heading>,…\n",
    },
    {
      line: 'get ippools -o go-template={{.}}',
      err: '--output is "go-template={{.}}"; allowed: ps, wide, yaml, json, custom-columns=<heading>,… (go-template is not there yet)\n',
    },
    {
      line: 'get tiers -o custom-columns=NAME,COLOUR',
      err: 'unknown heading COLOUR, valid values are: NAME, ORDER\n',
    },
    { line: 'get ippools --colour', err: "error: unknown option '--colour'\n" },
    {
      line: 'get np cart',
      err: 'resource does not exist: NetworkPolicy(default/cart) with error: it does not exist\n',
    },
    {
      line: 'get profile web',
      err: 'resource does not exist: Profile(web) with error: profiles are named kns.<namespace> and ksa.<namespace>.<service account>\n',
    },
  ];
  test.each(cases)('$line', async ({ line, err }) => {
    expect(await desk.run(line)).toEqual({ code: 1, out: '', err });
  });

  test('an unknown kind, naming those there are', async () => {
    const { code, err } = await desk.run('get bananas');
    expect(code).toBe(1);
    expect(err).toStartWith("resource type 'bananas' is not supported; allowed: bgpconfiguration, ");
    expect(err).toContain(', ippool, ');
  });
});

test('what was found is shown although something else was not', async () => {
  expect(await desk.run('get ippool racks nowhere')).toEqual({
    code: 1,
    out: "NAME    CIDR            SELECTOR        \nracks   172.20.0.0/24   rack == 'one'   \n\n",
    err: 'resource does not exist: IPPool(nowhere) with error: it does not exist\n',
  });
});

test('get -f shows the objects that a file names', async () => {
  desk.file('pools/a.yaml', 'apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: racks}\n');
  desk.file('pools/deep/b.json', '{"apiVersion":"projectcalico.org/v3","kind":"Tier","metadata":{"name":"security"}}');
  desk.file('pools/notes.txt', 'no resource');
  expect((await desk.run('get -f $DIR/pools -o custom-columns=NAME')).out).toBe('NAME    \nracks   \n\n');
  const { out } = await desk.run('get -R -f $DIR/pools -o custom-columns=NAME');
  expect(out).toBe('NAME    \nracks   \n\nNAME       \nsecurity   \n\n');
});

describe('the version of the cluster', () => {
  beforeEach(async () => {
    await desk.client.create(ClusterInformation, {
      apiVersion: ClusterInformation.apiVersion,
      kind: 'ClusterInformation',
      metadata: { name: 'default' },
      spec: { calicoVersion: 'v3.32.1', clusterType: 'typescript,kdd', datastoreReady: true },
    });
  });
  const mismatch =
    'Version mismatch.\nClient Version:   v3.33.0\nCluster Version:  v3.32.1\nUse --allow-version-mismatch to override.\n';

  test('must be that of the client for reads and writes', async () => {
    expect(await desk.run('get ippools')).toEqual({ code: 1, out: '', err: mismatch });
    expect(await desk.run('delete ippool racks')).toEqual({ code: 1, out: '', err: mismatch });
    expect((await desk.run('get ippool racks --allow-version-mismatch')).code).toBe(0);
    expect((await desk.run('--allow-version-mismatch delete ippool racks')).code).toBe(0);
  });

  test('may differ in what follows a dash, and is not asked for by version and validate', async () => {
    desk.version = 'v3.32.1-4-gabc';
    expect((await desk.run('get ippools')).code).toBe(0);
    desk.version = 'v3.33.0';
    expect(await desk.run('version')).toEqual({
      code: 0,
      out: 'Client Version:    v3.33.0\nGit commit:        0123abc\nCluster Version:   v3.32.1\nCluster Type:      typescript,kdd\n',
      err: '',
    });
    expect((await desk.run('version --client')).out).toBe('Client Version:    v3.33.0\nGit commit:        0123abc\n');
    expect((await desk.run('validate -f -')).code).toBe(0);
  });
});

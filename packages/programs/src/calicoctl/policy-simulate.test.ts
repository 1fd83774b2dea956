import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  KubernetesNetworkPolicy,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
  StagedNetworkPolicy,
  WorkloadEndpoint,
} from '@calico/api';
import { Desk, expectGolden } from './testing.ts';

let desk: Desk;

function pod(namespace: string, name: string, ip: string, ports: readonly number[]): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name,
      labels: { app: name },
      annotations: { 'cni.projectcalico.org/podIP': `${ip}/32` },
    },
    spec: {
      nodeName: 'node-1',
      containers: [{ name: 'main', image: 'example', ports: ports.map(containerPort => ({ containerPort })) }],
    },
  };
}

beforeEach(async () => {
  desk = new Desk();
  const { client } = desk;
  await client.create(Node, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1', annotations: { 'projectcalico.org/IPv4Address': '172.30.0.11/24' } },
    spec: {},
  });
  for (const name of ['shop', 'bank']) {
    await client.create(Namespace, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { team: name } },
      spec: {},
    });
  }
  await client.create(Pod, pod('shop', 'web', '10.0.0.1', [8080]));
  await client.create(Pod, pod('shop', 'db', '10.0.0.2', [5432]));
  await client.create(Pod, pod('bank', 'job', '10.0.0.3', []));
  await client.create(StagedNetworkPolicy, {
    apiVersion: StagedNetworkPolicy.apiVersion,
    kind: 'StagedNetworkPolicy',
    metadata: { namespace: 'shop', name: 'closed' },
    spec: { selector: "app == 'web'", types: ['Ingress'] },
  });
});
afterEach(() => desk.close());

const onlyWeb = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
`;

test('policy simulate tells what files would change, and writes nothing', async () => {
  desk.file('new.yaml', onlyWeb);
  desk.file(
    'open.yaml',
    'apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {selector: "app == \'x\'"}\n',
  );
  let text = '';
  for (const line of [
    'policy simulate -n shop -f $DIR/new.yaml',
    'policy simulate -n shop -f $DIR/new.yaml --port 22/tcp --port icmp --limit 3',
    'policy simulate --enforce-staged',
    'policy simulate -f $DIR/open.yaml',
  ]) {
    const { code, out, err } = await desk.run(line);
    expect({ line, code, err }).toEqual({ line, code: 0, err: '' });
    text += `$ calicoctl ${line.replaceAll('$DIR/', '')}\n${out}`;
  }
  expectGolden('policy-simulate.txt', text);
  expect((await desk.client.list(KubernetesNetworkPolicy)).items).toEqual([]);
  expect((await desk.client.list(NetworkPolicy)).items).toEqual([]);
});

test('policy simulate tells the same as JSON', async () => {
  desk.file('new.yaml', onlyWeb);
  const { out } = await desk.run('policy simulate -n shop -f $DIR/new.yaml -o json');
  const change = { from: 'bank/job', to: 'shop/db', port: '5432/tcp', family: 4, before: 'allow', after: 'deny' };
  expect(JSON.parse(out)).toEqual({
    changes: [{ ...change, decidedBy: 'ingress: end of tier default' }],
    total: 1,
    pods: 3,
    withoutPorts: ['bank/job'],
  });
});

test('policy simulate takes the labels that a namespace would have', async () => {
  desk.stdin = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: bank, labels: {team: shop}}\n';
  await desk.client.create(NetworkPolicy, {
    apiVersion: NetworkPolicy.apiVersion,
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name: 'team' },
    spec: { types: ['Ingress'], ingress: [{ action: 'Allow', source: { namespaceSelector: "team == 'shop'" } }] },
  });
  const { out } = await desk.run('policy simulate -f - -o json');
  expect(
    JSON.parse(out).changes.map(({ from, to, after }: Record<string, string>) => `${from} ${to} ${after}`),
  ).toEqual(['bank/job shop/db allow', 'bank/job shop/web allow']);
});

test('policy simulate on etcd takes the endpoints and their named ports', async () => {
  desk.type = 'etcdv3';
  for (const [name, ip] of [
    ['web', '10.0.0.1'],
    ['db', '10.0.0.2'],
  ] as const) {
    await desk.client.create(WorkloadEndpoint, {
      apiVersion: WorkloadEndpoint.apiVersion,
      kind: 'WorkloadEndpoint',
      metadata: {
        namespace: 'shop',
        name: `node--1-k8s-${name}-eth0`,
        labels: { app: name, 'projectcalico.org/namespace': 'shop' },
      },
      spec: {
        orchestrator: 'k8s',
        node: 'node-1',
        pod: name,
        endpoint: 'eth0',
        ipNetworks: [`${ip}/32`],
        interfaceName: `cali${name}`,
        ports: [{ name: 'main', protocol: 'TCP', port: 5432 }],
      },
    });
  }
  desk.stdin = `apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: open, namespace: shop}
spec: {ingress: [{action: Allow}], egress: [{action: Allow}]}
`;
  const { out, err } = await desk.run('policy simulate -f -');
  expect(err).toBe('');
  expect(out).toContain('2 connections between 2 pods would change.');
});

test('policy explain tells what nodes do besides policy', async () => {
  const own = await desk.run('policy explain --from shop/web --to 172.30.0.11 --port 443');
  expect(own.out).toStartWith(
    'shop/web (10.0.0.1) to 172.30.0.11, 443: denied\n\negress of shop/web on node node-1: allowed\n',
  );
  expect(own.out).toEndWith(
    '\n=> besides policy: pod shop/web to its own node: defaultEndpointToHostAction is drop: deny\n',
  );
  const node = await desk.run('policy explain --from 172.30.0.11 --to shop/web --port 8080 -o json');
  expect(JSON.parse(node.out)).toEqual({
    verdict: 'allow',
    directions: [],
    beside: { verdict: 'allow', reason: 'node node-1 always reaches its own pods' },
  });
});

const refused: readonly { name: string; text?: string; flags?: string; says: string }[] = [
  { name: 'neither a file nor --enforce-staged', flags: '', says: '--filename is missing; allowed: a file' },
  { name: 'a file that is not there', flags: '-f $DIR/none.yaml', says: 'Cannot simulate: cannot read none.yaml' },
  { name: 'an empty file', text: '', says: 'Cannot simulate: in.yaml: no resources in it' },
  {
    name: 'a bad port',
    text: onlyWeb,
    flags: '-f $DIR/in.yaml --port 70000',
    says: '--port is "70000"; allowed: 443/tcp',
  },
  {
    name: 'a bad limit',
    text: onlyWeb,
    flags: '-f $DIR/in.yaml --limit many',
    says: '--limit is "many"; allowed: a number',
  },
  {
    name: 'another output',
    text: onlyWeb,
    flags: '-f $DIR/in.yaml -o yaml',
    says: '--output is "yaml"; allowed: json',
  },
  {
    name: 'a pod',
    text: 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n',
    says: 'in.yaml: Pod of v1 cannot be simulated; allowed: FelixConfiguration of',
  },
  {
    name: 'no name',
    text: 'apiVersion: v1\nkind: Namespace\nmetadata: 3\n',
    says: 'in.yaml: Namespace: metadata.name is missing; allowed: a name',
  },
  { name: 'a text', text: 'just text', says: 'in.yaml: no resource; allowed: an object' },
  {
    name: 'a field that is not known',
    text: `${onlyWeb}  ingres: []\n`,
    says: 'in.yaml: NetworkPolicy(default/db): field is not known: spec.ingres',
  },
  {
    name: 'every bad object of a file',
    text: 'apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {selector: "a = b"}\n---\n{}\n',
    says: 'Cannot simulate: in.yaml: object 1: NetworkPolicy(default/a): spec.selector: Invalid value: "a = b"',
  },
];
test.each(refused.map(each => [each.name, each] as const))('policy simulate refuses %s', async (_name, each) => {
  if (each.text !== undefined) desk.file('in.yaml', each.text);
  const { code, out, err } = await desk.run(`policy simulate ${each.flags ?? '-f $DIR/in.yaml'}`.trim());
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain(each.says);
});

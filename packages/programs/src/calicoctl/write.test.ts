import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { IPPool, Node } from '@calico/api';
import { Desk, memoryOf } from './testing.ts';

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => desk.close());

const pool = (name: string, cidr: string, more = ''): string =>
  `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: ${name}${more}}\nspec: {cidr: ${cidr}}\n`;
const tier = (name: string): string => `apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: ${name}}\n`;
const policy = (name: string, namespace?: string): string =>
  `apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: ${name}${
    namespace === undefined ? '' : `, namespace: ${namespace}`
  }}\nspec: {selector: all(), types: [Ingress]}\n`;

/** The names of all pools. */
async function pools(): Promise<string[]> {
  return (await desk.client.list(IPPool)).items.map(({ metadata }) => metadata.name);
}

test('create, replace, apply, delete and validate tell what they did', async () => {
  desk.file('a.yaml', pool('a', '10.0.0.0/16'));
  desk.file('more.yaml', `${pool('a', '10.0.0.0/16')}---\n${tier('red')}spec: {order: 1}\n`);
  const lines: [string, string][] = [
    ['validate -f $DIR/a.yaml', "Successfully validated 1 'IPPool' resource(s)\n"],
    ['create -f $DIR/a.yaml', "Successfully created 1 'IPPool' resource(s)\n"],
    ['create -f $DIR/a.yaml --skip-exists', "Successfully created 0 'IPPool' resource(s)\n"],
    ['replace -f $DIR/a.yaml', "Successfully replaced 1 'IPPool' resource(s)\n"],
    ['apply -f $DIR/more.yaml', 'Successfully applied 2 resource(s)\n'],
    ['label ippool a rack=one', 'Successfully set label rack on IPPool a\n'],
    ['label ippool a rack=two --overwrite', 'Successfully updated label rack on IPPool a\n'],
    ['label ippool a rack --remove', 'Successfully removed label rack from IPPool a\n'],
    ['patch ippool a -p {"spec":{"natOutgoing":true}}', "Successfully patched 1 'IPPool' resource\n"],
    ['delete -f $DIR/more.yaml', 'Successfully deleted 2 resource(s)\n'],
    ['delete ippool a --skip-not-exists', "Successfully deleted 0 'IPPool' resource(s)\n"],
  ];
  for (const [line, out] of lines) expect({ line, ...(await desk.run(line)) }).toEqual({ line, code: 0, out, err: '' });
});

describe('bad input is refused with file, object, field and value, and nothing is written:', () => {
  const cases: { name: string; text: string; err: string; line?: string }[] = [
    {
      name: 'no YAML',
      text: 'spec: [',
      err: 'failed to execute command: in.yaml: unexpected end of the stream within a flow collection at line 1, column 8\n',
    },
    {
      name: 'a key twice',
      text: 'kind: a\nkind: b\n',
      err: 'failed to execute command: in.yaml: duplicated mapping key at line 2, column 1: ',
    },
    { name: 'nothing', text: '# empty\n', err: 'failed to execute command: in.yaml: no resources in it\n' },
    {
      name: 'an unknown kind',
      text: 'apiVersion: projectcalico.org/v3\nkind: Banana\nmetadata: {name: a}\n',
      err: 'failed to execute command: in.yaml: unknown resource type (Banana) and/or version (projectcalico.org/v3)\n',
    },
    {
      name: 'no name',
      text: 'apiVersion: projectcalico.org/v3\nkind: IPPool\nspec: {cidr: 10.0.0.0/16}\n',
      err: 'failed to execute command: in.yaml: IPPool: metadata.name is missing; allowed: a name\n',
    },
    {
      name: 'an unknown field',
      text: `${pool('good', '10.0.0.0/16')}---\n${pool('a', '10.1.0.0/16, natOutgong: true')}`,
      err: 'failed to execute command: in.yaml: object 2: IPPool(a): field in document is not recognized or is in the wrong location: spec.natOutgong\n',
    },
    {
      name: 'a bad CIDR beside a good one',
      text: `${pool('good', '10.0.0.0/16')}---\n${pool('a', '10.0.0.300/16')}`,
      err: `failed to create any 'IPPool' resources: [in.yaml: object 2: IPPool(a): spec.cidr: Invalid value: "10.0.0.300/16": `,
    },
    {
      name: 'a bad selector',
      text: 'apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {selector: "a = b"}\n',
      err: `failed to create 'NetworkPolicy' resource: [in.yaml: NetworkPolicy(default/a): spec.selector: Invalid value: "a = b": `,
    },
    {
      name: 'another namespace than the flag',
      text: policy('a', 'shop'),
      line: 'create -n prod -f $DIR/in.yaml',
      err: 'failed to execute command: in.yaml: NetworkPolicy(shop/a): metadata.namespace is "shop"; allowed: "prod", as --namespace says\n',
    },
    {
      name: 'a namespace for a kind without',
      text: pool('a', '10.0.0.0/16'),
      line: 'create -n prod -f $DIR/in.yaml',
      err: 'failed to execute command: in.yaml: IPPool(a): IPPool is not namespaced; the namespace is "prod"\n',
    },
    {
      name: 'the cluster information',
      text: 'apiVersion: projectcalico.org/v3\nkind: ClusterInformation\nmetadata: {name: default}\nspec: {}\n',
      err: "failed to create 'ClusterInformation' resource: [resource is readonly]\n",
    },
    {
      name: 'a profile',
      text: 'apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata: {name: kns.shop}\nspec: {}\n',
      err: "failed to create 'Profile' resource: [operation Create is not supported on Profile(kns.shop): profiles are made from namespaces and service accounts; change those]\n",
    },
    {
      name: 'a bad address of a node',
      text: 'apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: node-1}\nspec: {bgp: {ipv4Address: nowhere}}\n',
      err: `failed to create 'Node' resource: [in.yaml: Node(node-1): spec.bgp.ipv4Address: Invalid value: "nowhere": must be a CIDR such as "10.0.0.0/16" or "fd00::/64", or an IP address]\n`,
    },
    {
      name: 'an unknown field of a node',
      text: 'apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: node-1}\nspec: {bgp: {as: 1}}\n',
      err: 'failed to execute command: in.yaml: Node(node-1): field in document is not recognized or is in the wrong location: spec.bgp.as\n',
    },
  ];
  for (const { name, text, err, line = 'create -f $DIR/in.yaml' } of cases) {
    test(name, async () => {
      desk.file('in.yaml', text);
      const ran = await desk.run(line);
      expect({ code: ran.code, out: ran.out }).toEqual({ code: 1, out: '' });
      expect(ran.err).toStartWith(err);
      expect(await pools()).toEqual([]);
    });
  }

  test('a file that is not there', async () => {
    const { code, err } = await desk.run('apply -f $DIR/none.yaml');
    expect(code).toBe(1);
    expect(err).toStartWith('failed to execute command: cannot read none.yaml: ');
  });

  test('no file', async () => {
    expect((await desk.run('apply')).err).toBe('--filename is missing; allowed: a file, a directory, or - for stdin\n');
  });
});

describe('partial failure', () => {
  beforeEach(async () => {
    desk.file('b.yaml', pool('b', '10.1.0.0/16'));
    await desk.run('create -f $DIR/b.yaml');
    desk.file('abc.yaml', [pool('a', '10.0.0.0/16'), pool('b', '10.1.0.0/16'), pool('c', '10.2.0.0/16')].join('---\n'));
  });

  test('of create: the others are written, and it is said what failed', async () => {
    expect(await desk.run('create -f $DIR/abc.yaml')).toEqual({
      code: 1,
      out: "Partial success: created 2 out of 3 'IPPool' resources:\n",
      err: 'hit error: [resource already exists: IPPool(b) with error: it exists already]\n',
    });
    expect(await pools()).toEqual(['a', 'b', 'c']);
  });

  test('of delete: what was deleted is told, and each failure', async () => {
    expect(await desk.run('delete ippool b nope')).toEqual({
      code: 1,
      out: "Successfully deleted 1 'IPPool' resource(s)\n",
      err: "Failed to delete 'IPPool' resource: resource does not exist: IPPool(nope) with error: it does not exist\n",
    });
  });

  test('of a write whose answer was lost: it may have been done', async () => {
    memoryOf(desk).failNext('delete', { code: 'Unavailable', reason: 'connection closed', done: true });
    expect((await desk.run('delete ippool b')).err).toBe(
      "Failed to delete 'IPPool' resource: Cannot delete IPPool(b): connection closed (it may have been done all the same)\n",
    );
  });
});

describe('replace', () => {
  beforeEach(async () => {
    desk.file('a.yaml', pool('a', '10.0.0.0/16', ', labels: {rack: one}'));
    await desk.run('create -f $DIR/a.yaml');
  });

  test('is tried again after a conflict, a second later', async () => {
    for (let i = 0; i < 4; i++) memoryOf(desk).failNext('update', { code: 'Conflict' });
    expect((await desk.run('replace -f $DIR/a.yaml')).code).toBe(0);
    expect(desk.slept).toEqual([1000, 1000, 1000, 1000]);
  });

  test('gives up after five conflicts', async () => {
    for (let i = 0; i < 5; i++) memoryOf(desk).failNext('update', { code: 'Conflict' });
    expect((await desk.run('replace -f $DIR/a.yaml')).err).toBe(
      "failed to replace 'IPPool' resource: [update conflict: IPPool(a)]\n",
    );
  });

  test('of an old version is a conflict at once', async () => {
    desk.file('old.yaml', pool('a', '10.0.0.0/16', ', resourceVersion: "0"'));
    expect((await desk.run('replace -f $DIR/old.yaml')).err).toBe(
      "failed to replace 'IPPool' resource: [update conflict: IPPool(a)]\n",
    );
    expect(desk.slept).toEqual([]);
  });

  test('takes the labels of the file, and keeps uid and creation time', async () => {
    const before = await desk.client.get(IPPool, { name: 'a' });
    desk.file('b.yaml', pool('a', '10.0.0.0/16', ', uid: mine, labels: {row: two}'));
    expect((await desk.run('replace -f $DIR/b.yaml')).code).toBe(0);
    const { labels, uid, creationTimestamp } = (await desk.client.get(IPPool, { name: 'a' })).metadata;
    expect({ labels, uid, creationTimestamp }).toEqual({
      labels: { row: 'two' },
      uid: before.metadata.uid ?? '',
      creationTimestamp: before.metadata.creationTimestamp ?? '',
    });
  });
});

describe('nodes', () => {
  beforeEach(async () => {
    const metadata = { name: 'node-1', labels: { 'kubernetes.io/hostname': 'node-1' } };
    await desk.client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata, spec: {} });
  });

  test('apply writes what Calico knows and leaves the labels of Kubernetes', async () => {
    desk.stdin =
      'apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: node-1, labels: {rr: "yes"}}\nspec: {bgp: {asNumber: 65001}}\n';
    expect((await desk.run('apply -f -')).out).toBe("Successfully applied 1 'Node' resource(s)\n");
    const { labels, annotations } = (await desk.client.get(Node, { name: 'node-1' })).metadata;
    expect(labels).toEqual({ 'kubernetes.io/hostname': 'node-1', rr: 'yes' });
    expect(annotations).toEqual({ 'projectcalico.org/ASNumber': '65001' });
  });

  test('patch and label work as for other kinds', async () => {
    await desk.run('patch node node-1 -p', '{"spec": {"bgp": {"routeReflectorClusterID": "244.0.0.1"}}}');
    await desk.run('label nodes node-1 rack=one');
    const { labels, annotations } = (await desk.client.get(Node, { name: 'node-1' })).metadata;
    expect(labels?.rack).toBe('one');
    expect(annotations).toEqual({ 'projectcalico.org/RouteReflectorClusterID': '244.0.0.1' });
    await desk.run('label nodes node-1 rack --remove');
    expect((await desk.client.get(Node, { name: 'node-1' })).metadata.labels).toEqual({
      'kubernetes.io/hostname': 'node-1',
    });
  });

  test('are neither created nor deleted', async () => {
    expect((await desk.run('delete node node-1')).err).toBe(
      "Failed to delete 'Node' resource: operation Delete is not supported on Node(node-1): Kubernetes makes and removes its nodes\n",
    );
  });
});

describe('patch and label refuse', () => {
  const cases: { args: string[]; err: string }[] = [
    { args: ['patch ippool a -t json -p', '{}'], err: '--type is "json"; allowed: strategic\n' },
    { args: ['patch ippool a -p', '[]'], err: '--patch is "[]": allowed: an object with the fields to change\n' },
    {
      args: ['patch ippool a -p', '{"spec":{"cdr":"x"}}'],
      err: '--patch is "{\\"spec\\":{\\"cdr\\":\\"x\\"}}": field in document is not recognized or is in the wrong location: spec.cdr\n',
    },
    {
      args: ['patch ippool a -p', '{"spec":{"natOutgoing":"x"}}'],
      err: `failed to patch 'IPPool' resource: [a: spec.natOutgoing: Invalid value: "x": `,
    },
    { args: ['label ippool a rack'], err: 'the label is "rack"; allowed: key=value, or a key with --remove\n' },
    { args: ['label ippool a rack=two'], err: 'failed to label IPPool a: label rack is "one"; use --overwrite' },
    { args: ['label ippool a row --remove'], err: 'failed to label IPPool a: it has no label row\n' },
    { args: ['label ippool a', 'row=a b'], err: 'the value of label row is "a b"; allowed: ' },
  ];
  test.each(cases)('$args', async ({ args: [line = '', ...more], err }) => {
    desk.stdin = pool('a', '10.0.0.0/16', ', labels: {rack: one}');
    await desk.run('create -f -');
    const ran = await desk.run(line, ...more);
    expect(ran.code).toBe(1);
    expect(ran.err).toStartWith(err);
  });
});

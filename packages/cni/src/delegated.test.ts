import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Node } from '@calico/api';
import { readIpamResult } from './ipam-result.ts';
import { runCniPlugin } from './plugin.ts';
import type { CniRequest } from './protocol.ts';
import { fakeWorld, outputOf, request, type World } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'cni-delegate-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function answerOf(world: World, call: CniRequest) {
  const answer = await world.handler(call);
  if ('error' in answer) throw new Error(`${answer.error.code}: ${answer.error.msg}`);
  return answer;
}

async function worldWithNode(spec: Partial<Node['spec']>) {
  const world = await fakeWorld();
  await world.client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec });
  await world.addPod('web');
  return world;
}

describe('usePodCidr', () => {
  const dual = { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24', 'fd00:1::/64'] };
  const cases: { name: string; node: Partial<Node['spec']>; ipam: object; wanted: object }[] = [
    {
      name: "is the node's subnet, in any case of letters",
      node: { podCIDR: '10.1.0.0/24' },
      ipam: { subnet: 'UsePodCIDR' },
      wanted: { subnet: '10.1.0.0/24' },
    },
    {
      name: 'is found in ranges, of both families',
      node: dual,
      ipam: { ranges: [[{ subnet: 'usePodCidr' }], [{ subnet: 'usePodCidrIPv6', gateway: 'fd00:1::1' }]] },
      wanted: { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00:1::/64', gateway: 'fd00:1::1' }]] },
    },
    {
      name: 'asks nobody where it is not used',
      node: {},
      ipam: { subnet: '10.9.0.0/16' },
      wanted: { subnet: '10.9.0.0/16' },
    },
  ];
  for (const { name, node, ipam, wanted } of cases) {
    test(name, async () => {
      const world = await worldWithNode(node);
      const config = { ipam: { type: 'host-local', ...ipam } };
      const answer = await answerOf(world, request('ADD', { config }));
      expect(answer).toMatchObject({ output: null, delegate: { type: 'host-local', config: { name: 'net' } } });
      expect(answer.delegate?.config).toMatchObject({ ipam: { type: 'host-local', ...wanted } });
    });
  }

  test('is any subnet in a DEL, which works without the API', async () => {
    const world = await fakeWorld();
    const config = {
      ipam: { type: 'host-local', ranges: [[{ subnet: 'usePodCidr' }], [{ subnet: 'usePodCidrIPv6' }]] },
    };
    const { delegate } = await answerOf(world, request('DEL', { config }));
    expect(delegate?.config).toMatchObject({ ipam: { ranges: [[{ subnet: '0.0.0.0/0' }], [{ subnet: '::/0' }]] } });
  });

  test('of a family that the node has no subnet of is refused', async () => {
    const world = await worldWithNode({ podCIDR: '10.1.0.0/24' });
    const config = { ipam: { type: 'host-local', subnet: 'usePodCidrIPv6' } };
    await expect(answerOf(world, request('ADD', { config }))).rejects.toThrow('the Node has no podCIDR of IPv6');
  });
});

describe('an ADD with the result of another IPAM plugin', () => {
  const ipam = { type: 'host-local', subnet: '10.9.0.0/16' };
  const delegated = {
    cniVersion: '1.0.0',
    ips: [{ address: '10.9.0.5/16', gateway: '10.9.0.1' }],
    routes: [{ dst: '192.0.2.0/24' }],
    dns: { nameservers: ['10.9.0.2'] },
  };

  test('takes its address, routes and DNS, and none of Calico’s', async () => {
    const world = await worldWithNode({});
    const output = await outputOf(world.handler({ ...request('ADD', { config: { ipam } }), delegated }));
    expect(output).toMatchObject({
      ips: [{ address: '10.9.0.5/32', interface: 1 }],
      routes: [{ dst: '192.0.2.0/24' }],
      dns: { nameservers: ['10.9.0.2'] },
    });
    const pod = world.machine.openKernel({ namespace: world.machine.openNamespace('/run/netns/a') });
    expect(pod.dump()).toContain('route 192.0.2.0/24 via 169.254.1.1');
    expect(pod.dump()).not.toContain('route 0.0.0.0/0');
    expect(await world.ipam.addressesByHandle('net.c1')).toEqual([]);
    const config = { ipam, prevResult: output };
    expect(await outputOf(world.handler(request('CHECK', { config })))).toBeNull();
  });

  test('has default routes besides with include_default_routes, and without any others', async () => {
    for (const [config, result] of [
      [{ ipam, include_default_routes: true }, delegated],
      [{ ipam }, { ...delegated, routes: [] }],
    ] as const) {
      const world = await worldWithNode({});
      await outputOf(world.handler({ ...request('ADD', { config }), delegated: result }));
      const pod = world.machine.openKernel({ namespace: world.machine.openNamespace('/run/netns/a') });
      expect(pod.dump()).toContain('route 0.0.0.0/0 via 169.254.1.1');
    }
  });
});

describe('readIpamResult', () => {
  test('reads every version of the specification', () => {
    const want = { addresses: ['10.9.0.5', 'fd00::5'], routes: 1 };
    const results: object[] = [
      { ip4: { ip: '10.9.0.5/16', routes: [{ dst: '0.0.0.0/0' }] }, ip6: { ip: 'fd00::5/64' } },
      {
        ips: [
          { version: '6', address: 'fd00::5/64' },
          { version: '4', address: '10.9.0.5/16' },
        ],
        routes: [{ dst: '::/0' }],
      },
      { ips: [{ address: '10.9.0.5/16' }, { address: 'fd00::5/64' }], routes: [{ dst: '::/0', gw: 'fd00::1' }] },
    ];
    for (const result of results) {
      const { addresses, routes } = readIpamResult(result);
      expect({ addresses: addresses.map(({ family }) => family), routes: routes.length }).toEqual({
        addresses: [4, 6],
        routes: want.routes,
      });
    }
  });

  for (const result of [
    {},
    { ips: [] },
    { ips: [{}] },
    { ips: 'x' },
    { ips: [{ address: '10.0.0.1/8' }], routes: [{}] },
  ]) {
    test(`refuses ${JSON.stringify(result)}`, () => {
      expect(() => readIpamResult(result)).toThrow('Cannot read the result of the IPAM plugin');
    });
  }
});

describe('the plugin runs another IPAM plugin', () => {
  const log = join(folder, 'calls');
  /** Notes each call, refuses an ADD while the container is noted as having an address, as host-local does. */
  const script = `#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID $(cat)" >> ${log}
case $CNI_COMMAND in
  ADD) if [ -e ${folder}/held ]; then echo '{"code": 999, "msg": "duplicate allocation"}'; exit 1; fi
       touch ${folder}/held; echo '{"ips": [{"address": "10.9.0.5/16"}]}' ;;
  DEL) rm -f ${folder}/held ;;
esac
`;
  writeFileSync(join(folder, 'fake-ipam'), script, { mode: 0o755 });

  async function call(command: string, world: World, options: { path?: string; type?: string; refuse?: string } = {}) {
    let printed = '';
    const { parameters, config } = request('ADD', { config: { cniVersion: '1.0.0', agent: 'none' } });
    const exitCode = await runCniPlugin({
      argv0: 'calico',
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: 'c1',
        CNI_NETNS: parameters.netns,
        CNI_IFNAME: 'eth0',
        CNI_ARGS: parameters.args,
        CNI_PATH: options.path ?? `/absent:${folder}`,
        PATH: process.env.PATH,
      },
      stdin: JSON.stringify({ ...config, ipam: { type: options.type ?? 'fake-ipam' } }),
      stdout: { write: text => (printed += text) },
      stderr: { write: () => {} },
      standalone: async () => ({ ask: world.handler, close: async () => {} }),
    });
    return { exitCode, printed: printed === '' ? undefined : JSON.parse(printed) };
  }

  test('with the same command, found in CNI_PATH, also for an ADD that is repeated', async () => {
    const world = await worldWithNode({});
    expect(await call('ADD', world)).toMatchObject({ exitCode: 0, printed: { ips: [{ address: '10.9.0.5/32' }] } });
    expect(await call('ADD', world)).toMatchObject({ exitCode: 0, printed: { ips: [{ address: '10.9.0.5/32' }] } });
    expect(await call('DEL', world)).toEqual({ exitCode: 0, printed: undefined });
    const calls = readFileSync(log, 'utf8').trim().split('\n');
    expect(calls.map(line => line.split(' ')[0])).toEqual(['ADD', 'ADD', 'DEL', 'ADD', 'DEL']);
    expect(calls[0]).toContain('"name":"net"');
  });

  test('and gives back what it got when the rest fails', async () => {
    const world = await worldWithNode({});
    world.felix.refusal = 'no rules';
    expect(await call('ADD', world)).toMatchObject({ exitCode: 1, printed: { code: 999, msg: 'no rules' } });
    expect(readFileSync(log, 'utf8').trim().split('\n').at(-1)).toStartWith('DEL c1');
  });

  test('and says which is not there, and what one that fails says', async () => {
    const world = await worldWithNode({});
    expect(await call('ADD', world, { type: 'absent' })).toMatchObject({
      printed: {
        code: 999,
        msg: `Cannot run IPAM plugin: ipam.type is "absent", which is not in CNI_PATH /absent:${folder}`,
      },
    });
    writeFileSync(join(folder, 'bad-ipam'), '#!/bin/sh\necho \'{"code": 11, "msg": "later"}\'; exit 1\n', {
      mode: 0o755,
    });
    expect(await call('ADD', world, { type: 'bad-ipam' })).toMatchObject({
      printed: { code: 11, msg: 'IPAM plugin bad-ipam: later' },
    });
    writeFileSync(join(folder, 'broken-ipam'), '#!/bin/sh\necho oh no >&2; exit 3\n', { mode: 0o755 });
    expect(await call('ADD', world, { type: 'broken-ipam' })).toMatchObject({
      printed: { code: 999, msg: expect.stringContaining('oh no') },
    });
  });
});

import { describe, expect, test } from 'bun:test';
import { ClusterInformation, IPAMBlock, IPAMHandle, Namespace, Pod, podToWorkloadEndpoint } from '@calico/api';
import type { FakeMachine } from '@calico/kernel/fake';
import { trashGatherMs } from './link-trash.ts';
import type { CniRequest } from './protocol.ts';
import { fakeWorld, notedAddress, outputOf, request, type World } from './testing.ts';

const hostName = 'cali551b05c3e54';

/** Everything that an ADD could leave: both kernels, handles, endpoints. */
async function traces(world: World<FakeMachine>) {
  await world.clock.advance(trashGatherMs);
  const { machine, client, felix } = world;
  const { items: handles } = await client.list(IPAMHandle);
  return {
    host: machine.openKernel().dump(),
    links: machine
      .openKernel({ namespace: machine.openNamespace('/run/netns/a') })
      .links()
      .map(({ name }) => name),
    handles: handles.map(({ spec }) => spec.handleID),
    endpoints: [...felix.endpoints.keys()],
  };
}

function podKernel({ machine }: World<FakeMachine>, name = 'a') {
  return machine.openKernel({ namespace: machine.openNamespace(`/run/netns/${name}`) });
}

async function addressOf(world: World, call: CniRequest): Promise<string> {
  const { ips } = (await outputOf(world.handler(call))) as { ips: { address: string }[] };
  return ips.map(({ address }) => address).join(',');
}

/** Lets time pass until work has ended. */
async function withTime<T>({ clock }: World, work: Promise<T>): Promise<T> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  work.then(end, end);
  while (!ended) {
    await clock.advance(50);
    await new Promise(resolve => setImmediate(resolve));
  }
  return await work;
}

describe('ADD', () => {
  test('gives a pod its interface, address, routes, endpoint and status; DEL takes all away', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    const before = await traces(world);
    expect(await outputOf(world.handler(request('ADD')))).toEqual({
      cniVersion: '1.0.0',
      interfaces: [{ name: hostName }, { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/a' }],
      ips: [{ interface: 1, address: '10.65.0.64/32' }],
      routes: [{ dst: '10.65.0.64/32' }],
      dns: {},
    });
    expect((await world.pod('web')).metadata.annotations).toEqual({
      'cni.projectcalico.org/podIP': '10.65.0.64/32',
      'cni.projectcalico.org/podIPs': '10.65.0.64/32',
      'cni.projectcalico.org/containerID': 'c1',
    });
    expect(world.machine.openKernel().dump().split('\n')).toEqual([
      'link 1 lo down mtu 65536 mac 00:00:00:00:00:00',
      `link 2 ${hostName} veth up running mtu 1450 mac ee:ee:ee:ee:ee:ee parent 2 alias net/c1/eth0`,
      'address fe80::ecee:eeff:feee:eeee/64 link 2 scope link',
      'route 10.65.0.64/32 link 2 table 254 protocol 80 scope link',
      'route fe80::/64 link 2 table 254 protocol 2 scope universe metric 256',
      `sysctl net/ipv4/conf/${hostName}/forwarding = 1`,
      `sysctl net/ipv4/conf/${hostName}/proxy_arp = 1`,
      `sysctl net/ipv4/conf/${hostName}/route_localnet = 1`,
      `sysctl net/ipv4/neigh/${hostName}/proxy_delay = 0`,
      `sysctl net/ipv6/conf/${hostName}/accept_dad = 0`,
      `sysctl net/ipv6/conf/${hostName}/accept_ra = 0`,
      `sysctl net/ipv6/conf/${hostName}/forwarding = 1`,
      `sysctl net/ipv6/conf/${hostName}/proxy_ndp = 1`,
      '',
    ]);
    expect(podKernel(world).dump()).toContain('route 0.0.0.0/0 via 169.254.1.1 link 2');
    expect(world.records.at(-1)?.fields).toHaveProperty('ipamMs');
    expect(await outputOf(world.handler(request('DEL')))).toBeNull();
    expect(await traces(world)).toEqual(before);
    expect(notedAddress(await world.pod('web'))).toBe('');
  });

  test('tells Felix the endpoint that readers of the pod will compute', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    await outputOf(world.handler(request('ADD')));
    const [told] = world.felix.endpoints.values();
    expect(told).toMatchObject({ spec: { containerID: 'c1', ipNetworks: ['10.65.0.64/32'] } });
    expect(told?.spec).toEqual(podToWorkloadEndpoint(await world.pod('web'))?.spec);
  });

  test('notes with the address whose it is', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    await outputOf(world.handler(request('ADD')));
    const [block] = (await world.client.list(IPAMBlock)).items;
    expect(block?.spec.attributes).toEqual([
      {
        handle_id: 'net.c1',
        secondary: { node: 'node-1', timestamp: '2026-01-01 00:00:00.000 +0000 UTC', pod: 'web', namespace: 'shop' },
      },
    ]);
  });

  test('repeated keeps the address; another container of the pod gets its own', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    const first = await addressOf(world, request('ADD'));
    expect(await addressOf(world, request('ADD'))).toBe(first);
    expect(world.machine.openKernel().dump()).toContain(`route ${first} link`);
    const second = await addressOf(world, request('ADD', { container: 'c2', netns: '/run/netns/b' }));
    expect(second).not.toBe(first);
    expect(await outputOf(world.handler(request('DEL')))).toBeNull();
    expect(notedAddress(await world.pod('web'))).toBe(second);
    expect(world.felix.endpoints.size).toBe(1);
    await world.clock.advance(trashGatherMs);
    expect(world.kernel.link(hostName)?.alias).toBe('net/c2/eth0');
    expect(podKernel(world, 'b').link('eth0')?.up).toBe(true);
  });

  test('of one container waits for the other call; other containers go on meanwhile', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    await world.addPod('db');
    const answers = await Promise.all([
      world.handler(request('ADD')),
      world.handler(request('DEL')),
      world.handler(request('ADD')),
      world.handler(request('ADD', { pod: 'db', container: 'c2', netns: '/run/netns/b' })),
    ]);
    expect(answers.filter(answer => 'error' in answer)).toEqual([]);
    expect((await traces(world)).handles.sort()).toEqual(['net.c1', 'net.c2']);
  });

  test('takes families and pools from the pod, its namespace, the configuration, in this order', async () => {
    const world = await fakeWorld();
    const both = { ipam: { assign_ipv6: 'true' } };
    const prefix = 'cni.projectcalico.org/';
    await world.addPod('both');
    await world.addPod('six', { annotations: { [`${prefix}ipFamilies`]: '["IPv6"]' } });
    await world.addPod('pool', { annotations: { [`${prefix}ipv4pools`]: '["10.65.0.9/24"]' } });
    await world.addPod('inherits');
    const add = (pod: string, config = {}) => addressOf(world, request('ADD', { pod, container: pod, config }));
    expect(await add('both', both)).toMatch(/^10\.65\.0\.\d+\/32,fd00:65::[0-9a-f]+\/128$/);
    expect(await add('six')).toMatch(/^fd00:65::[0-9a-f]+\/128$/);
    expect(await add('pool', { ipam: { ipv4_pools: ['absent'] } })).toMatch(/^10\.65/);
    const annotations = { [`${prefix}ipv4pools`]: '["absent"]' };
    await world.client.patch(Namespace, { name: 'shop' }, { metadata: { annotations } }, { type: 'merge' });
    await expect(add('inherits')).rejects.toThrow('requested pool is "absent", which does not exist');
  });
});

describe('a failed ADD leaves nothing:', () => {
  const failures: { name: string; spoil: (world: World<FakeMachine>) => unknown; says: string }[] = [
    { name: 'no such pod', spoil: ({ client }) => client.delete(Pod, { name: 'web', namespace: 'shop' }), says: '999' },
    {
      name: 'the API is away',
      spoil: ({ client }) => client.failNext('get', { code: 'Unavailable' }, Pod),
      says: '11: Cannot get Pod(shop/web)',
    },
    {
      name: 'a locked datastore',
      spoil: ({ client }) =>
        client.patch(ClusterInformation, { name: 'default' }, { spec: { datastoreReady: false } }, { type: 'merge' }),
      says: '11: Calico is currently not ready',
    },
    { name: 'Felix refuses', spoil: ({ felix }) => (felix.refusal = 'no rules'), says: '999: no rules' },
    {
      name: 'the status is refused',
      spoil: ({ client }) => client.failNext('patch', { code: 'Forbidden' }, Pod),
      says: '999: Cannot patch Pod(shop/web)',
    },
    {
      name: 'no address',
      spoil: ({ client }) => client.failNext('create', { code: 'Unavailable' }),
      says: '11: Cannot create',
    },
    {
      name: 'the veth is refused',
      spoil: ({ kernel }) => (kernel as ReturnType<FakeMachine['openKernel']>).failNext('createLink', 'EPERM'),
      says: '999: Cannot create veth',
    },
    {
      name: 'an interface of the host is refused',
      spoil: ({ kernel }) => (kernel as ReturnType<FakeMachine['openKernel']>).failNext('setSysctl', 'EACCES'),
      says: '999: Cannot set sysctl',
    },
  ];
  for (const { name, spoil, says } of failures) {
    test(name, async () => {
      const world = await fakeWorld();
      await world.addPod('web');
      const before = await traces(world);
      await spoil(world);
      await expect(outputOf(world.handler(request('ADD')))).rejects.toThrow(says);
      expect(await traces(world)).toEqual(before);
    });
  }

  const pods: { name: string; change: Parameters<World['addPod']>[1]; says: string }[] = [
    { name: 'a pod of another node', change: { spec: { nodeName: 'node-2' } }, says: 'spec.nodeName is "node-2"' },
    { name: 'a pod of the host network', change: { spec: { hostNetwork: true } }, says: 'spec.hostNetwork is true' },
    {
      name: 'pools that are no list',
      change: { annotations: { 'cni.projectcalico.org/ipv4pools': '10.65.0.0/24' } },
      says: 'allowed: a list in JSON',
    },
  ];
  for (const { name, change, says } of pods) {
    test(name, async () => {
      const world = await fakeWorld();
      await world.addPod('web', change);
      const before = await traces(world);
      await expect(outputOf(world.handler(request('ADD')))).rejects.toThrow(says);
      expect(await traces(world)).toEqual(before);
    });
  }

  test('an absent namespace, and a container outside of Kubernetes', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    const before = await traces(world);
    await expect(outputOf(world.handler(request('ADD', { netns: '/absent' })))).rejects.toThrow(
      '4: Cannot open network',
    );
    const plain = request('ADD');
    const call = { ...plain, parameters: { ...plain.parameters, args: '' } };
    await expect(outputOf(world.handler(call))).rejects.toThrow('4: Cannot set up container c1');
    expect(await traces(world)).toEqual(before);
  });
});

describe('a write whose answer is lost', () => {
  test('does not fail an ADD: the status is written again', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    world.client.failNext('patch', { code: 'Timeout', done: true }, Pod);
    expect(await withTime(world, world.handler(request('ADD')))).toHaveProperty('output');
    expect(notedAddress(await world.pod('web'))).toBe('10.65.0.64/32');
  });
});

describe('DEL succeeds', () => {
  test('when there was never an ADD, the namespace is gone, the configuration unusable', async () => {
    const world = await fakeWorld();
    const config = { ipam: { type: 'host-local' }, mtu: 'wide' };
    for (const netns of ['', '/absent', '/run/netns/a']) {
      expect(await outputOf(world.handler(request('DEL', { netns, config })))).toBeNull();
    }
  });

  test('when the pod is gone from the API, or its name is used by a new pod', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    const before = await traces(world);
    await outputOf(world.handler(request('ADD')));
    await world.client.delete(Pod, { name: 'web', namespace: 'shop' });
    await world.addPod('web');
    expect(await outputOf(world.handler(request('DEL', { netns: '' })))).toBeNull();
    expect(await traces(world)).toEqual(before);
    expect(notedAddress(await world.pod('web'))).toBeUndefined();
  });

  test('at the second try when the API was away', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    const before = await traces(world);
    await outputOf(world.handler(request('ADD')));
    world.client.failNext('get', { code: 'Unavailable' }, Pod);
    await expect(outputOf(world.handler(request('DEL')))).rejects.toThrow('11: ');
    expect(await outputOf(world.handler(request('DEL')))).toBeNull();
    expect(await traces(world)).toEqual(before);
  });
});

describe('CHECK', () => {
  test('names everything that is missing', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    const prevResult = await outputOf(world.handler(request('ADD')));
    const check = () => outputOf(world.handler(request('CHECK', { config: { prevResult } })));
    expect(await check()).toBeNull();
    await expect(outputOf(world.handler(request('CHECK')))).rejects.toThrow(
      '7: Cannot CHECK network: prevResult is absent',
    );
    const pod = podKernel(world);
    const route = pod.routes().find(({ gateway }) => gateway !== undefined);
    if (route === undefined) throw new Error('the pod has no default route');
    pod.deleteRoute(route);
    await world.felix.endpointRemoved({ metadata: { name: 'node--1-k8s-web-eth0' } });
    await expect(check()).rejects.toThrow(
      `the host lacks route 10.65.0.64/32 to ${hostName}; the pod lacks its route 0.0.0.0/0 via 169.254.1.1; no rules for ${hostName}`,
    );
    world.kernel.setSysctl(`net/ipv4/conf/${hostName}/proxy_arp`, '0');
    pod.setSysctl('net/ipv4/ip_forward', '1');
    await world.client.patch(
      Pod,
      { name: 'web', namespace: 'shop' },
      { metadata: { annotations: { 'cni.projectcalico.org/podIPs': '10.65.0.9/32' } } },
      { type: 'merge' },
    );
    const says = async () => {
      const answer = await world.handler(request('CHECK', { config: { prevResult } }));
      return 'error' in answer ? answer.error.msg.split('; ') : [];
    };
    expect(await says()).toEqual(
      expect.arrayContaining([
        expect.stringContaining(`the host's sysctl net/ipv4/conf/${hostName}/proxy_arp is 0, not 1`),
        "the pod's sysctl net/ipv4/ip_forward is 1, not 0",
        'the datastore does not note address 10.65.0.64/32',
      ]),
    );
    pod.deleteLink(pod.link('eth0')?.index ?? 0);
    await expect(check()).rejects.toThrow(`interface ${hostName} is absent; the pod's interface eth0 is absent`);
  });
});

describe('the IPAM plugin alone', () => {
  test('gives and releases addresses, without Kubernetes too', async () => {
    const world = await fakeWorld();
    const call = (command: CniRequest['command']): CniRequest => {
      const { parameters, ...rest } = request(command, {
        plugin: 'calico-ipam',
        config: { ipam: { assign_ipv6: 'true' } },
      });
      return { ...rest, parameters: { ...parameters, args: '' } };
    };
    const added = await outputOf(world.handler(call('ADD')));
    expect(added).toMatchObject({
      ips: [{ address: '10.65.0.64/32' }, { address: expect.stringMatching(/^fd00:65::/) }],
    });
    expect(await outputOf(world.handler(call('ADD')))).toEqual(added);
    expect(await outputOf(world.handler(call('CHECK')))).toBeNull();
    expect(await outputOf(world.handler(call('DEL')))).toBeNull();
    expect(await outputOf(world.handler(call('DEL')))).toBeNull();
    await expect(outputOf(world.handler(call('CHECK')))).rejects.toThrow('handle "net.c1" has none');
  });
});

describe('GC and STATUS', () => {
  const gc = (valid: unknown) => request('GC', { config: { cniVersion: '1.1.0', 'cni.dev/valid-attachments': valid } });

  test('GC takes away what the runtime does not know, and nothing else', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    await world.addPod('db');
    await outputOf(world.handler(request('ADD')));
    await outputOf(world.handler(request('ADD', { pod: 'db', container: 'c2', netns: '/run/netns/b' })));
    expect(await outputOf(world.handler(gc([{ containerID: 'c2', ifname: 'eth0' }])))).toBeNull();
    const { handles, links } = await traces(world);
    expect({ handles, links }).toEqual({ handles: ['net.c2'], links: ['lo'] });
    // An address whose container has left nothing else behind; those of other networks, nodes and machines stay.
    const kept = ['other.c3', 'net.vmi.shop.vm', 'net.c2'];
    for (const handle of ['net.c9', 'other.c3', 'net.vmi.shop.vm']) {
      const attributes = { node: 'node-1' };
      await world.ipam.autoAssign({ node: 'node-1', handle, attributes, ipv4: 1, ipv6: 0, intendedUse: 'Workload' });
    }
    await outputOf(world.handler(gc([{ containerID: 'c2', ifname: 'eth0' }])));
    expect((await traces(world)).handles.sort()).toEqual(kept.sort());
    await expect(outputOf(world.handler(gc(undefined)))).rejects.toThrow('7: Cannot GC network');
  });

  test('STATUS tells whether an ADD could succeed', async () => {
    const world = await fakeWorld();
    expect(await outputOf(world.handler(request('STATUS')))).toBeNull();
    world.client.failNext('get', { code: 'Unavailable' });
    await expect(outputOf(world.handler(request('STATUS')))).rejects.toThrow('50: ');
  });
});

import { describe, expect, test } from 'bun:test';
import { BlockAffinity, IPAMBlock, IPAMHandle, Node } from '@calico/api';
import { addr, cidr, printAddr, printCidr } from '@calico/ip';
import { seededRandom } from '@calico/reconcile';
import { Ipam } from './ipam.ts';
import { assign, everything, newNode, newWorld, podRequest } from './testing.ts';
import { TroubledClient } from './testing-trouble.ts';
import { watchedSettings } from './watched-settings.ts';

const block = (address: string | undefined) => (address ?? '').replace(/\.\d+$/, '');

/** What was asked of a client, such as `update IPAMBlock`. */
const namesOf = (log: TroubledClient['log']) => log.map(({ op, resource }) => `${op} ${resource.replace(/\(.*/, '')}`);
const operations = (client: TroubledClient) => namesOf(client.log);
const writesOf = (client: TroubledClient) => namesOf(client.log.filter(({ write }) => write));

describe('autoAssign', () => {
  test('gives addresses of one block to the pods of a node, and leaves what Calico expects', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24', blockSize: 29 });
    const ipam = world.open();
    const given = (await Promise.all(['a', 'b', 'c'].map(pod => assign(ipam, podRequest('node-1', pod))))).flat();
    expect(new Set(given).size).toBe(3);
    const { blocks, affinities, handles } = await everything(world);
    expect(blocks).toHaveLength(1);
    expect(affinities[0]).toMatchObject({
      spec: { state: 'confirmed', node: 'node-1', type: 'host', cidr: blocks[0]?.spec.cidr, deleted: false },
    });
    expect(blocks[0]?.spec).toMatchObject({ affinity: 'host:node-1', affinityClaimTime: '2026-01-01T00:00:00Z' });
    expect(blocks[0]?.spec.unallocated).toEqual([3, 4, 5, 6, 7]);
    expect(handles.map(handle => handle.spec)).toEqual(
      ['a', 'b', 'c'].map(pod => ({
        handleID: `net.${pod}`,
        block: { [blocks[0]?.spec.cidr ?? '']: 1 },
        deleted: false,
      })),
    );
    expect(await ipam.check()).toEqual([]);
  });

  test('gives both families', async () => {
    const world = newWorld();
    await world.pool('four', { cidr: '10.0.0.0/24' });
    await world.pool('six', { cidr: 'fd00::/64' });
    const ipam = world.open();
    const [four, six] = await assign(ipam, podRequest('node-1', 'a', { ipv6: 1 }));
    expect(four).toStartWith('10.0.0.');
    expect(six).toStartWith('fd00::');
    expect(await ipam.check()).toEqual([]);
    await ipam.releaseByHandle('net.a');
    expect((await everything(world)).handles).toEqual([]);
  });

  test('needs two writes and no reads once a node has a block and the settings are watched', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const client = new TroubledClient(world.client, () => 'done');
    const abort = new AbortController();
    const deps = { client, clock: world.clock, random: seededRandom(1) };
    const settings = watchedSettings(client, { ...deps, signal: abort.signal });
    await new Promise(resolve => setImmediate(resolve));
    const ipam = new Ipam({ ...deps, settings });
    await assign(ipam, podRequest('node-1', 'first'));
    client.log.length = 0;
    await assign(ipam, podRequest('node-1', 'second'));
    expect(operations(client)).toEqual(['create IPAMHandle', 'update IPAMBlock']);
    client.log.length = 0;
    await ipam.releaseByHandle('net.second');
    expect(operations(client)).toEqual(['update IPAMBlock', 'delete IPAMHandle']);
    abort.abort();
  });

  test('a new handle that is not new is refused before anything is assigned', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const request = { ...podRequest('node-1', 'first'), newHandle: true };
    const ipam = world.open();
    const { ipv4 } = await ipam.autoAssign(request);
    await expect(ipam.autoAssign(request)).rejects.toMatchObject({ code: 'HandleExists' });
    const other = world.open();
    await expect(other.autoAssign(request)).rejects.toMatchObject({ code: 'HandleExists' });
    expect(await other.addressesByHandle('net.first')).toEqual(ipv4);
  });

  test('a new handle whose creation got no answer is refused, and harms nobody', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    await assign(world.open(), podRequest('node-1', 'before'));
    const client = new TroubledClient(world.client, ({ op }) => (op === 'create' ? 'lost' : 'done'));
    const ipam = new Ipam({ client, clock: world.clock, random: seededRandom(1) });
    const request = podRequest('node-1', 'first');
    await expect(ipam.autoAssign({ ...request, newHandle: true })).rejects.toMatchObject({ code: 'HandleExists' });
    expect(await ipam.addressesByHandle('net.first')).toEqual([]);
    expect((await ipam.autoAssign(request)).ipv4).toHaveLength(1);
    await ipam.releaseByHandle('net.first');
    await expect(ipam.releaseByHandle('net.first')).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('tells who gives a handle back that its addresses are free, while the handle is still there', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const client = new TroubledClient(world.client, () => 'done');
    const ipam = new Ipam({ client, clock: world.clock, random: seededRandom(1) });
    await assign(ipam, podRequest('node-1', 'a'));
    client.log.length = 0;
    let before: readonly string[] = [];
    await ipam.releaseByHandle('net.a', () => {
      before = writesOf(client);
    });
    expect([before, writesOf(client)]).toEqual([['update IPAMBlock'], ['update IPAMBlock', 'delete IPAMHandle']]);
  });

  test('puts requests that come together into one write of the block', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const client = new TroubledClient(world.client, () => 'done');
    const ipam = new Ipam({ client, clock: world.clock, random: seededRandom(1) });
    await assign(ipam, podRequest('node-1', 'first'));
    client.log.length = 0;
    const given = await Promise.all(Array.from({ length: 8 }, (_, i) => assign(ipam, podRequest('node-1', `p${i}`))));
    expect(new Set(given.flat()).size).toBe(8);
    expect(
      client.log.filter(({ op, resource }) => op === 'update' && resource.startsWith('IPAMBlock')).length,
    ).toBeLessThan(3);
  });

  test('takes another block when one is full, up to the limit, and never borrows beyond it', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/28', blockSize: 30 });
    const ipam = world.open();
    await assign(ipam, podRequest('other', 'x'));
    const got = await ipam.autoAssign(podRequest('node-1', 'a', { ipv4: 9, maxBlocks: 2 }));
    expect(got.ipv4).toHaveLength(8);
    expect(got.notes).toEqual([
      'Assigned 8 out of 9 requested IPv4 addresses',
      'the node has as many blocks as it may have',
    ]);
    expect(await ipam.check()).toEqual([]);
  });

  test('borrows when no block is free, unless affinity is strict', async () => {
    for (const strictAffinity of [false, true]) {
      const world = newWorld();
      await world.pool('pool', { cidr: '10.0.0.0/30', blockSize: 30 });
      await world.configure({ strictAffinity });
      await assign(world.open(), podRequest('node-1', 'a'));
      const got = await world.open().autoAssign(podRequest('node-2', 'b', { ipv4: 5 }));
      expect(got.ipv4).toHaveLength(strictAffinity ? 0 : 3);
      expect(got.notes).toHaveLength(2);
      expect(await world.open().check()).toEqual([]);
    }
  });

  test('takes no new block when they are not allocated automatically', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    await world.configure({ strictAffinity: true, autoAllocateBlocks: false });
    expect((await world.open().autoAssign(podRequest('node-1', 'a'))).notes[1]).toContain(
      'not allocated automatically',
    );
  });

  test('takes over a block that has stood empty at another node for a minute', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/30', blockSize: 30 });
    await world.configure({ strictAffinity: true });
    const first = world.open();
    await assign(first, podRequest('node-1', 'a'));
    await first.releaseByHandle('net.a');
    expect((await world.open().autoAssign(podRequest('node-2', 'b'))).ipv4).toEqual([]);
    await world.clock.advance(60_000);
    await assign(world.open(), podRequest('node-2', 'b'));
    expect((await everything(world)).blocks[0]?.spec.affinity).toBe('host:node-2');
    // The first still believes in its block, finds out, and gets nothing.
    expect((await first.autoAssign(podRequest('node-1', 'c'))).ipv4).toEqual([]);
    expect(await first.check()).toEqual([]);
  });

  test('leaves out reservations', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/28', blockSize: 30 });
    await world.reserve('10.0.0.0/29', '10.0.0.8/31', '10.0.0.11/32', '10.0.0.13/32', '10.0.0.14/31');
    const given = (await world.open().autoAssign(podRequest('node-1', 'a', { ipv4: 16 }))).ipv4;
    expect(given.map(({ addr }) => printAddr(addr)).sort()).toEqual(['10.0.0.10', '10.0.0.12']);
  });

  test('gives an address again only after its cooldown', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/32', blockSize: 32 });
    await world.configure({ ipCooldownSeconds: 30 });
    const ipam = world.open();
    await assign(ipam, podRequest('node-1', 'a'));
    await ipam.releaseByHandle('net.a');
    await expect(ipam.lookup(addr('10.0.0.0'))).rejects.toMatchObject({ code: 'InCooldown' });
    expect((await ipam.usage()).pools[0]).toMatchObject({ allocated: 0, cooling: 1, free: 0n });
    expect((await ipam.autoAssign(podRequest('node-1', 'b'))).ipv4).toEqual([]);
    await world.clock.advance(30_000);
    expect(await assign(ipam, podRequest('node-1', 'b'))).toEqual(['10.0.0.0']);
    expect(await ipam.check()).toEqual([]);
  });

  test('reads the labels of the node when a pool asks, and gives up blocks that no pool selects any more', async () => {
    const world = newWorld();
    await world.client.create(Node, newNode('node-1', { zone: 'a' }));
    await world.pool('a', { cidr: '10.1.0.0/24', nodeSelector: 'zone == "a"' });
    await world.pool('b', { cidr: '10.2.0.0/24', nodeSelector: 'zone == "b"' });
    const { nodeLabels: _, ...request } = podRequest('node-1', 'x');
    const ipam = world.open();
    expect(block((await assign(ipam, request))[0])).toBe('10.1.0');
    await world.client.patch(Node, { name: 'node-1' }, { metadata: { labels: { zone: 'b' } } }, { type: 'merge' });
    expect(block((await assign(ipam, { ...request, handle: 'net.y' }))[0])).toBe('10.2.0');
    await ipam.releaseByHandle('net.x');
    expect((await everything(world)).blocks.map(({ spec }) => spec.cidr.startsWith('10.2.0.'))).toEqual([true]);
    await expect(ipam.autoAssign({ ...request, node: 'node-2' })).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('keeps load balancer addresses under an owner of their own', async () => {
    const world = newWorld();
    await world.pool('balancers', { cidr: '10.0.0.0/24', allowedUses: ['LoadBalancer'] });
    const ipam = world.open();
    await assign(ipam, podRequest('load-balancer', 'svc', { intendedUse: 'LoadBalancer' }));
    expect((await everything(world)).blocks[0]?.spec.affinity).toBe('virtual:load-balancer');
    await expect(ipam.autoAssign(podRequest('node-1', 'a'))).rejects.toMatchObject({ code: 'NoPool' });
  });

  test('continues when another process of the node took blocks', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/29', blockSize: 30 });
    const [old, young] = [world.open(), world.open(2)];
    const given = await Promise.all(
      Array.from({ length: 8 }, (_, i) => assign(i % 2 === 0 ? old : young, podRequest('node-1', `p${i}`))),
    );
    expect(new Set(given.flat()).size).toBe(8);
    expect(await old.check()).toEqual([]);
  });
});

describe('assignIp', () => {
  const request = { address: addr('10.0.0.5'), handle: 'net.a', attributes: { node: 'node-1' }, node: 'node-1' };

  test('takes the address and its block, once', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const ipam = world.open();
    await ipam.assignIp(request);
    expect(await ipam.lookup(addr('10.0.0.5'))).toMatchObject({ handle: 'net.a', attributes: { node: 'node-1' } });
    await expect(ipam.assignIp(request)).rejects.toMatchObject({ code: 'AlreadyExists' });
    await ipam.assignIp({ ...request, reuse: true });
    await expect(ipam.assignIp({ ...request, handle: 'net.b', reuse: true })).rejects.toMatchObject({
      code: 'AlreadyExists',
    });
    expect(await ipam.check()).toEqual([]);
  });

  test('borrows from the block of another, unless affinity is strict', async () => {
    for (const strictAffinity of [false, true]) {
      const world = newWorld();
      await world.pool('pool', { cidr: '10.0.0.0/24' });
      await world.configure({ strictAffinity });
      const ipam = world.open();
      await ipam.assignIp(request);
      const other = ipam.assignIp({ ...request, address: addr('10.0.0.6'), handle: 'net.b', node: 'node-2' });
      if (strictAffinity) await expect(other).rejects.toMatchObject({ code: 'Conflict' });
      else await other;
      expect(await ipam.check()).toEqual([]);
    }
  });

  test('needs an enabled pool for the use', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24', allowedUses: ['Tunnel'] });
    await world.pool('off', { cidr: '10.1.0.0/24', disabled: true });
    const ipam = world.open();
    for (const more of [
      { intendedUse: 'Workload' as const },
      { address: addr('10.1.0.5') },
      { address: addr('10.2.0.5') },
    ]) {
      await expect(ipam.assignIp({ ...request, ...more })).rejects.toMatchObject({ code: 'NoPool' });
    }
  });
});

describe('releaseIps', () => {
  test('gives back what nobody had, and refuses the address of another', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const ipam = world.open();
    for (const [n, handle] of [
      [1, 'a'],
      [2, 'a'],
      [3, 'b'],
    ] as const) {
      await ipam.assignIp({ address: addr(`10.0.0.${n}`), handle, attributes: {}, node: 'node-1' });
    }
    const { sequenceNumber } = await ipam.lookup(addr('10.0.0.1'));
    await expect(ipam.releaseIps([{ address: addr('10.0.0.3'), handle: 'a' }])).rejects.toMatchObject({
      code: 'Conflict',
    });
    await expect(
      ipam.releaseIps([{ address: addr('10.0.0.1'), sequenceNumber: (sequenceNumber ?? 0n) + 1n }]),
    ).rejects.toMatchObject({ code: 'Conflict' });
    const unallocated = await ipam.releaseIps([
      { address: addr('10.0.0.1'), handle: 'A', ...(sequenceNumber === undefined ? {} : { sequenceNumber }) },
      { address: addr('10.0.0.9') },
      { address: addr('10.0.0.77') },
      { address: addr('192.0.2.1') },
    ]);
    expect(unallocated.map(printAddr).sort()).toEqual(['10.0.0.77', '10.0.0.9', '192.0.2.1']);
    expect((await ipam.addressesByHandle('a')).map(({ addr }) => printAddr(addr))).toEqual(['10.0.0.2']);
    expect(await ipam.check()).toEqual([]);
  });

  test('takes from the count of a handle once, although the answer to that is lost', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const [first] = await assign(world.open(), podRequest('node-1', 'a', { ipv4: 3 }));
    let lost = false;
    const client = new TroubledClient(world.client, ({ op, resource }) => {
      if (lost || op !== 'update' || !resource.startsWith('IPAMHandle')) return 'done';
      lost = true;
      return 'lost';
    });
    const ipam = new Ipam({ client, clock: world.clock, random: seededRandom(1) });
    await ipam.releaseIps([{ address: addr(first ?? ''), handle: 'net.a' }]);
    expect(lost).toBe(true);
    expect(Object.values((await everything(world)).handles[0]?.spec.block ?? {})).toEqual([2]);
    expect(await ipam.check()).toEqual([]);
  });

  test('deletes a block without owner with its last address', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const ipam = world.open();
    await assign(ipam, podRequest('node-1', 'a', { ipv4: 2 }));
    await ipam.releaseAffinity({ node: 'node-1', requireEmpty: false });
    expect((await everything(world)).blocks[0]?.spec.affinity).toBeNull();
    expect(await ipam.check()).toEqual([]);
    await ipam.releaseByHandle('net.a');
    expect(await everything(world)).toEqual({ blocks: [], affinities: [], handles: [] });
  });
});

describe('releaseAffinity', () => {
  test('keeps a block in use when it must be empty, and gives up the others', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/28', blockSize: 30 });
    const ipam = world.open();
    await assign(ipam, podRequest('node-1', 'a', { ipv4: 4 }));
    await assign(ipam, podRequest('node-1', 'b'));
    await ipam.releaseByHandle('net.a');
    await expect(ipam.releaseAffinity({ node: 'node-1', requireEmpty: true })).rejects.toMatchObject({
      code: 'NotEmpty',
    });
    const left = await everything(world);
    expect(left.blocks).toHaveLength(1);
    expect(left.affinities).toHaveLength(1);
    await assign(ipam, podRequest('node-1', 'c', { ipv4: 4 }));
    expect(await ipam.check()).toEqual([]);
  });

  test('of a pool gives up the blocks of all nodes', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24', blockSize: 30 });
    const ipam = world.open();
    await assign(ipam, podRequest('node-1', 'a'));
    await assign(ipam, podRequest('node-2', 'b'));
    await ipam.releaseByHandle('net.a');
    await ipam.releasePoolAffinities(cidr('10.0.0.0/24'));
    const { blocks, affinities } = await everything(world);
    expect(affinities).toEqual([]);
    expect(blocks.map(({ spec }) => spec.affinity)).toEqual([null]);
    await assign(ipam, podRequest('node-1', 'c'));
    expect(await ipam.check()).toEqual([]);
  });
});

describe('ensureTunnelAddress', () => {
  test('keeps the address while its pool fits, moves with it, and gives it up with the last', async () => {
    const world = newWorld();
    await world.pool('a', { cidr: '10.1.0.0/24', vxlanMode: 'Always' });
    await world.pool('b', { cidr: '10.2.0.0/24' });
    const ipam = world.open();
    const request = { node: 'node-1', kind: 'vxlan' as const, nodeLabels: {} };
    const first = await ipam.ensureTunnelAddress(request);
    expect(block(first && printAddr(first))).toBe('10.1.0');
    expect(await world.open().ensureTunnelAddress(request)).toEqual(first);
    expect(first && (await ipam.lookup(first))).toMatchObject({
      handle: 'vxlan-tunnel-addr-node-1',
      attributes: { node: 'node-1', type: 'vxlanTunnelAddress' },
    });
    await world.change('a', { vxlanMode: 'Never' });
    await world.change('b', { vxlanMode: 'CrossSubnet' });
    const second = await ipam.ensureTunnelAddress(request);
    expect(block(second && printAddr(second))).toBe('10.2.0');
    await world.change('b', { vxlanMode: 'Never' });
    expect(await ipam.ensureTunnelAddress(request)).toBeUndefined();
    expect((await everything(world)).handles).toEqual([]);
    expect(await ipam.ensureTunnelAddress({ ...request, kind: 'vxlan-v6' })).toBeUndefined();
  });

  test('takes over what the Node does not name, so that who was about to release it fails, and writes nothing else', async () => {
    const world = newWorld();
    await world.pool('a', { cidr: '10.1.0.0/24', vxlanMode: 'Always' });
    const request = { node: 'node-1', kind: 'vxlan' as const, nodeLabels: {} };
    const address = await world.open().ensureTunnelAddress(request);
    if (address === undefined) throw new Error('no address');
    // The Node was gone, a collector has looked, and now it is back.
    const { handle, sequenceNumber } = await world.open().lookup(address);
    const planned = [{ address, ...(handle && { handle }), ...(sequenceNumber !== undefined && { sequenceNumber }) }];
    expect(await world.open().ensureTunnelAddress(request)).toEqual(address);
    await expect(world.open().releaseIps(planned)).rejects.toMatchObject({ code: 'Conflict' });
    const { blocks } = await everything(world);
    expect(await world.open().ensureTunnelAddress({ ...request, noted: printAddr(address) })).toEqual(address);
    expect((await everything(world)).blocks).toEqual(blocks);
  });

  test('of two addresses keeps the one that was given out first', async () => {
    const world = newWorld();
    await world.pool('a', { cidr: '10.1.0.0/24', vxlanMode: 'Always' });
    const handle = 'vxlan-tunnel-addr-node-1';
    const attributes = { node: 'node-1', type: 'vxlanTunnelAddress' };
    const give = (text: string) =>
      world.open().assignIp({ address: addr(text), handle, attributes, node: 'node-1', intendedUse: 'Tunnel' });
    await give('10.1.0.9');
    await give('10.1.0.8');
    const request = { node: 'node-1', kind: 'vxlan' as const, nodeLabels: {} };
    expect(await world.open().ensureTunnelAddress(request)).toEqual(addr('10.1.0.9'));
    expect(await world.open().addressesByHandle(handle)).toHaveLength(1);
    expect(await world.open().check()).toEqual([]);
  });

  test('gives two agents of one node the same address', async () => {
    const world = newWorld();
    await world.pool('a', { cidr: '10.1.0.0/24', ipipMode: 'Always' });
    const request = { node: 'node-1', kind: 'ipip' as const, nodeLabels: {} };
    await Promise.all([world.open(1), world.open(2)].map(ipam => ipam.ensureTunnelAddress(request)));
    const ipam = world.open(3);
    const address = await ipam.ensureTunnelAddress(request);
    expect(await ipam.addressesByHandle('ipip-tunnel-addr-node-1')).toHaveLength(1);
    expect(await world.open(4).ensureTunnelAddress(request)).toEqual(address);
    expect(await ipam.check()).toEqual([]);
  });
});

test('usage counts addresses of pools and blocks', async () => {
  const world = newWorld();
  await world.pool('pool', { cidr: '10.0.0.0/24' });
  const ipam = world.open();
  await assign(ipam, podRequest('node-1', 'a', { ipv4: 3 }));
  const { pools, outOfPool } = await ipam.usage();
  expect(outOfPool).toEqual([]);
  expect(pools).toMatchObject([
    {
      name: 'pool',
      size: 256n,
      allocated: 3,
      free: 253n,
      blocks: [{ affinity: 'host:node-1', allocated: 3, free: 61 }],
    },
  ]);
});

test('check names what does not fit, and whether it does harm', async () => {
  const world = newWorld();
  await world.pool('pool', { cidr: '10.0.0.0/24' });
  const ipam = world.open();
  await assign(ipam, podRequest('node-1', 'a'));
  await assign(ipam, podRequest('node-1', 'b'));
  const { blocks, affinities, handles } = await everything(world);
  const [name, affinity, over] = [blocks[0]?.metadata.name, affinities[0], handles[1]];
  if (affinity === undefined || over === undefined) throw new Error('nothing to spoil');
  await world.client.delete(IPAMHandle, { name: 'net.a' });
  await world.client.update(IPAMHandle, {
    ...over,
    spec: { ...over.spec, block: { ...over.spec.block, '10.9.0.0/26': 1 } },
  });
  await world.client.update(BlockAffinity, { ...affinity, spec: { ...affinity.spec, state: 'pendingDeletion' } });
  expect((await ipam.check()).map(({ kind, object, harmless }) => `${kind} ${object} ${harmless}`)).toEqual([
    `uncounted IPAMBlock(${name}) false`,
    'overcounted IPAMHandle(net.b) true',
    `affinity BlockAffinity(${affinity.metadata.name}) true`,
  ]);
  await ipam.settleHandle('net.b');
  await assign(world.open(), podRequest('node-1', 'c'));
  expect((await ipam.check()).map(({ kind }) => kind)).toEqual(['uncounted']);
  await world.client.delete(IPAMBlock, { name: name ?? '' });
  expect((await ipam.check()).map(({ kind }) => kind)).toEqual(['overcounted', 'overcounted', 'affinity']);
});

test('an object that was marked but not deleted counts as deleted', async () => {
  const world = newWorld();
  await world.pool('pool', { cidr: '10.0.0.0/24' });
  await assign(world.open(), podRequest('node-1', 'a'));
  const { blocks, affinities, handles } = await everything(world);
  for (const [kind, [object]] of [
    [IPAMHandle, handles],
    [IPAMBlock, blocks],
    [BlockAffinity, affinities],
  ] as const) {
    if (object === undefined) throw new Error('nothing to mark');
    await world.client.patch(
      kind as typeof IPAMHandle,
      { name: object.metadata.name },
      { spec: { deleted: true } },
      { type: 'merge' },
    );
  }
  const ipam = world.open();
  expect(await ipam.check()).toEqual([]);
  await assign(ipam, podRequest('node-1', 'a'));
  expect(await ipam.check()).toEqual([]);
  expect((await everything(world)).handles[0]?.spec.deleted).toBe(false);
});

describe('of the pools asked for', () => {
  test.each(['named', '10.1.0.0/24', '10.1.0.77/24'])('%s is found, whatever it selects', async text => {
    const world = newWorld();
    await world.pool('other', { cidr: '10.0.0.0/24' });
    await world.pool('named', { cidr: '10.1.0.0/24', nodeSelector: 'zone == "a"', assignmentMode: 'Manual' });
    const [given] = await assign(world.open(), podRequest('node-1', 'a', { pools4: [text] }));
    expect(block(given)).toBe('10.1.0');
  });
});

describe('a handle that may have one address of a family', () => {
  const machine = (pod: string) =>
    podRequest('node-1', pod, { handle: 'net.vmi.default.vm', maxPerHandle: 1, ipv6: 1 });

  async function prepared() {
    const world = newWorld();
    await world.pool('four', { cidr: '10.0.0.0/24' });
    await world.pool('six', { cidr: 'fd00::/64' });
    return world;
  }

  test('keeps it from pod to pod, on any node', async () => {
    const world = await prepared();
    const first = await assign(world.open(), machine('virt-launcher-1'));
    expect(await assign(world.open(2), { ...machine('virt-launcher-2'), node: 'node-2' })).toEqual(first);
    expect(await world.open().check()).toEqual([]);
  });

  test('gets one when two agents ask at once', async () => {
    const world = await prepared();
    const [a, b] = await Promise.all([assign(world.open(), machine('a')), assign(world.open(2), machine('b'))]);
    expect(a).toEqual(b);
    expect((await everything(world)).handles[0]?.spec.block).toEqual(expect.objectContaining({}));
    expect(await world.open().addressesByHandle('net.vmi.default.vm')).toHaveLength(2);
  });

  test('gets one although a crash left a count without an address', async () => {
    const world = await prepared();
    await world.client.create(IPAMHandle, {
      apiVersion: IPAMHandle.apiVersion,
      kind: 'IPAMHandle',
      metadata: { name: 'net.vmi.default.vm' },
      spec: { handleID: 'net.vmi.default.vm', block: { '10.0.0.64/26': 1 } },
    });
    expect(await assign(world.open(), machine('a'))).toHaveLength(2);
    expect(await world.open().check()).toEqual([]);
  });
});

describe('setOwnerAttributes', () => {
  const [source, target] = [
    { pod: 'source', namespace: 'default' },
    { pod: 'target', namespace: 'default' },
  ];

  test('notes both owners of a migration, and refuses what it was not told to expect', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const ipam = world.open();
    const address = addr((await assign(ipam, podRequest('node-1', 'source')))[0] ?? '');
    const change = (change: Parameters<Ipam['setOwnerAttributes']>[2]) =>
      ipam.setOwnerAttributes(address, 'net.source', change);
    await change({ alternate: target, expect: { active: source, alternate: null } });
    expect(await ipam.lookup(address)).toMatchObject({ attributes: source, alternateAttributes: target });
    await expect(change({ alternate: source, expect: { alternate: null } })).rejects.toMatchObject({
      code: 'Conflict',
    });
    await change({ active: target, alternate: null, expect: { active: { pod: 'source' }, alternate: target } });
    expect(await ipam.lookup(address)).toMatchObject({ attributes: target, alternateAttributes: undefined });
    await change({ active: null });
    expect((await ipam.lookup(address)).attributes).toEqual({});
    await expect(ipam.setOwnerAttributes(address, 'net.other', {})).rejects.toMatchObject({ code: 'Conflict' });
    await expect(ipam.setOwnerAttributes(addr('10.9.0.1'), 'net.other', {})).rejects.toMatchObject({
      code: 'NotFound',
    });
    expect(await ipam.check()).toEqual([]);
  });
});

describe('blocks asked for by themselves', () => {
  test('ensureBlock takes one of each family, once, and no address', async () => {
    const world = newWorld();
    await world.pool('four', { cidr: '10.0.0.0/24' });
    await world.pool('six', { cidr: 'fd00::/64' });
    const request = { node: 'node-1', nodeLabels: {}, families: [4, 6] as const };
    const ensured = await world.open().ensureBlock(request);
    expect(await world.open(2).ensureBlock(request)).toEqual(ensured);
    const { blocks, handles } = await everything(world);
    expect(blocks.map(({ spec }) => spec.affinity)).toEqual(['host:node-1', 'host:node-1']);
    expect(handles).toEqual([]);
    await world.configure({ autoAllocateBlocks: false, strictAffinity: true });
    await expect(world.open().ensureBlock({ ...request, node: 'node-2' })).rejects.toMatchObject({ code: 'NoAddress' });
  });

  test('claimAffinity takes the blocks of a CIDR that nobody has, and names the others', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/28', blockSize: 30 });
    await world.open().claimAffinity(cidr('10.0.0.4/30'), 'node-2');
    const { claimed, failed } = await world.open().claimAffinity(cidr('10.0.0.0/29'), 'node-1');
    expect([claimed.map(printCidr), failed.map(printCidr)]).toEqual([['10.0.0.0/30'], ['10.0.0.4/30']]);
    await expect(world.open().claimAffinity(cidr('10.0.0.0/31'), 'node-1')).rejects.toMatchObject({ code: 'NoPool' });
    await expect(world.open().claimAffinity(cidr('10.9.0.0/24'), 'node-1')).rejects.toMatchObject({ code: 'NoPool' });
    await world.open().releaseAffinity({ node: 'node-2', cidr: cidr('10.0.0.0/28'), requireEmpty: true });
    expect((await everything(world)).blocks.map(({ spec }) => spec.affinity)).toEqual(['host:node-1']);
  });

  test('releaseAffinity keeps a block that was written since it was looked at', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const ipam = world.open();
    const [range = cidr('10.0.0.0/26')] = await ipam.ensureBlock({ node: 'node-1', nodeLabels: {}, families: [4] });
    const before = (await everything(world)).blocks[0]?.spec.sequenceNumber;
    await assign(ipam, podRequest('node-1', 'a'));
    await ipam.releaseByHandle('net.a');
    const request = { node: 'node-1', cidr: range, requireEmpty: true };
    await expect(ipam.releaseAffinity({ ...request, sequenceNumber: BigInt(before ?? 0) })).rejects.toMatchObject({
      code: 'Conflict',
    });
    expect((await everything(world)).blocks).toHaveLength(1);
    const now = (await everything(world)).blocks[0]?.spec.sequenceNumber;
    await ipam.releaseAffinity({ ...request, sequenceNumber: BigInt(now ?? 0) });
    expect(await everything(world)).toEqual({ blocks: [], affinities: [], handles: [] });
  });

  test('upgradeNode labels the affinities that an old Calico wrote, so that they are found', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    const [given] = await assign(world.open(), podRequest('node-1', 'a'));
    const [affinity] = (await everything(world)).affinities;
    await world.client.patch(
      BlockAffinity,
      { name: affinity?.metadata.name ?? '' },
      { metadata: { labels: null } },
      { type: 'merge' },
    );
    await world.open().upgradeNode('node-2');
    expect((await everything(world)).affinities[0]?.metadata.labels).toBeUndefined();
    await world.open().upgradeNode('node-1');
    expect((await everything(world)).affinities[0]?.metadata.labels).toEqual(affinity?.metadata.labels);
    expect(block((await assign(world.open(2), podRequest('node-1', 'b')))[0])).toBe(block(given));
  });

  test('freeCooled frees what has cooled long enough, and only that', async () => {
    const world = newWorld();
    await world.pool('pool', { cidr: '10.0.0.0/24' });
    await world.configure({ ipCooldownSeconds: 30 });
    const ipam = world.open();
    await assign(ipam, podRequest('node-1', 'a'));
    const range = cidr((await everything(world)).blocks[0]?.spec.cidr ?? '');
    await ipam.releaseByHandle('net.a');
    for (const [seconds, cooling] of [
      [10, 1],
      [30, 0],
    ] as const) {
      await world.clock.advance(seconds * 1000);
      await ipam.freeCooled(range);
      expect((await everything(world)).blocks[0]?.spec.attributes).toHaveLength(cooling);
    }
    await ipam.freeCooled(cidr('10.9.0.0/26'));
  });
});

describe('configure', () => {
  test('stores what is asked for over the defaults, and refuses contradictions', async () => {
    const world = newWorld();
    const ipam = world.open();
    expect(await ipam.configuration()).toEqual({ strictAffinity: false, autoAllocateBlocks: true });
    await expect(ipam.configure({ maxBlocksPerHost: 3 })).rejects.toMatchObject({ code: 'Invalid' });
    await expect(ipam.configure({ autoAllocateBlocks: false })).rejects.toMatchObject({ code: 'Invalid' });
    await ipam.configure({ strictAffinity: true, maxBlocksPerHost: 3 });
    expect(await ipam.configuration()).toMatchObject({ strictAffinity: true, maxBlocksPerHost: 3 });
    await expect(ipam.configure({ strictAffinity: false })).rejects.toMatchObject({ code: 'Invalid' });
  });
});

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { addr, cidr } from '@calico/ip';
import { fillThreadPool } from '@calico/kernel/linux';
import { privileged } from '../../packages/kernel/src/linux/testing.ts';
import { NodeHost } from './node-host.ts';

const CHILD = join(import.meta.dir, 'reach.child.ts');

privileged(import.meta.path, () => {
  let host: NodeHost;
  beforeAll(async () => {
    await fillThreadPool();
    host = new NodeHost();
    const eth0 = host.addInterface('eth0', 1400, '192.0.2.11/24', '2001:db8::11/64');
    const eth1 = host.addInterface('eth1', 9000, '198.51.100.11/25', '198.51.100.12/25');
    host.kernel.setLink(host.addInterface('eth2', 1500), { up: false });
    const base = { table: 254, protocol: 4, scope: 'universe', type: 'unicast' } as const;
    host.kernel.replaceRoute({ ...base, destination: cidr('0.0.0.0/0'), link: eth0, gateway: addr('192.0.2.1') });
    host.kernel.replaceRoute({
      ...base,
      destination: cidr('203.0.113.0/24'),
      link: eth1,
      gateway: addr('198.51.100.1'),
      source: addr('198.51.100.12'),
    });
  });
  afterAll(() => host.close());

  async function ask(target: string, family = '4'): Promise<{ source: string; interfaces: { name: string }[] }> {
    const { code, text } = await host.run([target, family], {}, CHILD);
    if (code !== 0) throw new Error(text);
    return JSON.parse(text);
  }

  test('hostInterfaces gives names, MTUs and addresses in the order that the kernel has them', async () => {
    const { interfaces } = await ask('8.8.8.8');
    const named = interfaces.filter(({ name }) => /^(lo|eth\d)$/.test(name));
    expect(named).toEqual([
      { name: 'lo', mtu: 65_536, up: true, addresses: expect.arrayContaining(['127.0.0.1/8']) },
      { name: 'eth0', mtu: 1400, up: true, addresses: expect.arrayContaining(['192.0.2.11/24', '2001:db8::11/64']) },
      {
        name: 'eth1',
        mtu: 9000,
        up: true,
        addresses: expect.arrayContaining(['198.51.100.11/25', '198.51.100.12/25']),
      },
      { name: 'eth2', mtu: 1500, up: false, addresses: [] },
    ] as never);
  });

  test.each([
    ['the default route', '8.8.8.8', '4', '192.0.2.11'],
    ['a route with a source of its own', '203.0.113.7', '4', '198.51.100.12'],
    ['a network it is on', '2001:db8::99', '6', '2001:db8::11'],
    ['a name', 'localhost', '4', '127.0.0.1'],
  ])('reach gives the address that the kernel chooses by %s', async (_, target, family, source) => {
    expect((await ask(target, family)).source).toBe(source);
  });

  test('reach says why there is no way', async () => {
    expect((await ask('2001:db8:ffff::1', '6')).source).toBe(
      'Cannot reach 2001:db8:ffff::1 by IPv6: there is no route to it',
    );
  });
});

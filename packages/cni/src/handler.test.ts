import { describe, expect, test } from 'bun:test';
import { fakeWorld, notedAddress, outputOf, request } from './testing.ts';

const hostName = 'cali551b05c3e54';

describe('ADD and DEL', () => {
  test('give a pod its interface, address, routes, endpoint and status, and take all away again', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    const before = world.machine.openKernel().dump();
    expect(await outputOf(world.handler(request('ADD')))).toEqual({
      cniVersion: '1.0.0',
      interfaces: [{ name: hostName }, { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/a' }],
      ips: [{ interface: 1, address: '10.65.0.64/32' }],
      routes: [{ dst: '10.65.0.64/32' }],
      dns: {},
    });
    expect(notedAddress(await world.pod('web'))).toBe('10.65.0.64/32');
    expect(await outputOf(world.handler(request('DEL')))).toBeNull();
    await world.clock.advance(100);
    expect(world.machine.openKernel().dump()).toBe(before);
    expect(notedAddress(await world.pod('web'))).toBe('');
    expect(await world.ipam.addressesByHandle('net.c1')).toEqual([]);
  });
});

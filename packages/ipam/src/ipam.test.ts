import { expect, test } from 'bun:test';
import { IPAMHandle } from '@calico/api';
import { assign, newWorld, podRequest } from './testing.ts';

test('Ipam gives addresses of one block to the pods of a node', async () => {
  const world = newWorld();
  await world.pool('pool', { cidr: '10.0.0.0/24' });
  const ipam = world.open();
  const given = await Promise.all(['a', 'b', 'c'].map(pod => assign(ipam, podRequest('node-1', pod))));
  expect(given).toEqual([['10.0.0.192'], ['10.0.0.193'], ['10.0.0.194']]);
  await ipam.releaseByHandle('net.a');
  expect(await ipam.addressesByHandle('net.a')).toEqual([]);
  await expect(ipam.releaseByHandle('net.a')).rejects.toMatchObject({ code: 'NotFound' });
  expect((await world.client.list(IPAMHandle)).items).toHaveLength(2);
});

import { afterEach, beforeEach, expect, test } from 'bun:test';
import { IPPool } from '@calico/api';
import { addr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { Desk, expectGolden } from './testing.ts';

let desk: Desk;
beforeEach(async () => {
  desk = new Desk();
  const pool = (name: string, cidr: string): IPPool => ({
    apiVersion: IPPool.apiVersion,
    kind: 'IPPool',
    metadata: { name },
    spec: { cidr },
  });
  await desk.client.create(IPPool, pool('v4', '10.244.0.0/16'));
  await desk.client.create(IPPool, pool('v6', 'fd5f:abcd:64::/48'));
  const clock = new ClockFake();
  const ipam = new Ipam({ client: desk.client, clock, random: seededRandom(1) });
  const owner = (pod: string, node: string) => ({
    node,
    handle: `k8s-pod-network.${pod}`,
    attributes: { pod, namespace: 'shop', node },
  });
  await ipam.autoAssign({ ...owner('cart-0', 'node-1'), ipv4: 8, ipv6: 1, intendedUse: 'Workload' });
  await ipam.assignIp({ ...owner('cart-1', 'node-2'), address: addr('10.244.7.1') });
  // node-3 takes an address of the block that node-2 has.
  await ipam.assignIp({ ...owner('web-0', 'node-3'), address: addr('10.244.7.9') });
});
afterEach(() => desk.close());

test('ipam show prints pools, blocks, borrowed addresses, configuration, and whose an address is', async () => {
  let text = '';
  for (const line of [
    'ipam show',
    'ipam show --show-blocks',
    'ipam show --show-borrowed',
    'ipam show --show-configuration',
    'ipam show --ip=10.244.7.9',
    'ipam show --ip 10.244.200.1',
  ]) {
    const { code, out, err } = await desk.run(line);
    expect({ line, code, err }).toEqual({ line, code: 0, err: '' });
    text += `$ calicoctl ${line}\n${out}`;
  }
  expectGolden('ipam-show.txt', text);
});

test('ipam show refuses what is no address, and names the commands that are there', async () => {
  expect((await desk.run('ipam show --ip 10.0.0')).err).toBe('--ip is "10.0.0"; allowed: an IP address\n');
  expect(await desk.run('ipam defragment')).toEqual({
    code: 1,
    out: '',
    err: 'Cannot run "ipam defragment"; allowed: ipam show, ipam check, ipam release, ipam configure, ipam split (the rest is not there yet)\n',
  });
});

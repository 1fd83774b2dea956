import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IPPool, Pod } from '@calico/api';
import { memoryClient } from '@calico/datastore/memory';
import { addr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { upgradeHostLocal } from './host-local-upgrade.ts';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'calico-host-local-'));
  folder = join(root, 'k8s-pod-network');
});
afterEach(() => rmSync(root, { recursive: true }));

async function cluster() {
  const clock = new ClockFake();
  const client = memoryClient({ clock });
  const ipam = new Ipam({ client, clock, random: seededRandom(1) });
  for (const [name, cidr] of Object.entries({ v4: '10.244.0.0/16', v6: 'fd00:1::/112' })) {
    await client.create(IPPool, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'IPPool',
      metadata: { name },
      spec: { cidr },
    });
  }
  await client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'none' }] },
  });
  const status = { podIPs: [{ ip: '10.244.1.7' }, { ip: 'fd00:1::7' }] };
  await client.patch(Pod, { namespace: 'shop', name: 'web' }, { status }, { type: 'merge', subresource: 'status' });
  const told: string[] = [];
  const upgrade = (ours: Pick<Ipam, 'assignIp'> = ipam) =>
    upgradeHostLocal({ node: 'node-1', ipam: ours, kubernetes: client, log: text => told.push(text), folder });
  return { client, ipam, told, upgrade };
}

function hold(files: Record<string, string>): void {
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

test('addresses pass to the handles of their containers, with their pods, and nothing of host-local stays', async () => {
  const { ipam, told, upgrade } = await cluster();
  hold({
    '10.244.1.7': 'c1\r\neth0',
    'fd00:1::7': 'c1\r\neth0',
    '10.244.1.9': 'c2',
    lock: '',
    'last_reserved_ip.0': '10.244.1.9',
  });
  await upgrade();
  expect(existsSync(folder)).toBe(false);
  expect((await ipam.addressesByHandle('k8s-pod-network.c1')).length).toBe(2);
  expect(await ipam.lookup(addr('10.244.1.7'))).toMatchObject({
    handle: 'k8s-pod-network.c1',
    attributes: { node: 'node-1', pod: 'web', namespace: 'shop' },
  });
  expect((await ipam.lookup(addr('10.244.1.9'))).attributes).toEqual({ node: 'node-1' });
  expect(await ipam.check()).toEqual([]);
  expect(told).toContain("10.244.1.7 of container c1 (pod shop/web) is Calico's now");
  await upgrade();
  expect(told.at(-1)).toContain('nothing to do');
});

test('an upgrade that was cut off goes on', async () => {
  const { ipam, upgrade } = await cluster();
  hold({ '10.244.1.7': 'c1', '10.244.1.8': 'c2', '10.244.1.9': 'c3' });
  let left = 2;
  const dying = {
    async assignIp(request: Parameters<Ipam['assignIp']>[0]) {
      if (left-- > 0) await ipam.assignIp(request);
      if (left === 0) throw new Error('killed');
    },
  };
  await expect(upgrade(dying)).rejects.toThrow('killed');
  expect(readdirSync(folder)).toHaveLength(2);
  await upgrade();
  for (const container of ['c1', 'c2', 'c3'])
    expect(await ipam.addressesByHandle(`k8s-pod-network.${container}`)).toHaveLength(1);
  expect(await ipam.check()).toEqual([]);
});

test('an address of no pool, or of somebody else by now, is named, and its note stays', async () => {
  const { ipam, upgrade } = await cluster();
  hold({ '192.0.2.1': 'c1' });
  await expect(upgrade()).rejects.toThrow('Cannot assign 192.0.2.1: no enabled pool has it');
  rmSync(join(folder, '192.0.2.1'));
  writeFileSync(join(folder, '10.244.1.7'), 'c1');
  const theirs = { address: addr('10.244.1.7'), handle: 'net.other', attributes: { node: 'node-2' }, node: 'node-2' };
  await ipam.assignIp(theirs);
  await expect(upgrade()).rejects.toThrow('10.244.1.7');
  expect(readdirSync(folder)).toEqual(['10.244.1.7']);
  expect((await ipam.lookup(addr('10.244.1.7'))).handle).toBe('net.other');
});

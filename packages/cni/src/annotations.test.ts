import { describe, expect, test } from 'bun:test';
import { IPAMConfiguration, IPAMHandle, Pod } from '@calico/api';
import { fakeWorld, outputOf, request, type World } from './testing.ts';

const prefix = 'cni.projectcalico.org/';
const both = { feature_control: { ip_addrs_no_ipam: true, floating_ips: true } };

function annotated(values: Record<string, string>) {
  return { annotations: Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, value])) };
}

async function addressOf(world: World, options: Parameters<typeof request>[1]): Promise<string> {
  const output = await outputOf(world.handler(request('ADD', options)));
  return (output as { ips: { address: string }[] }).ips.map(({ address }) => address).join(',');
}

async function handles({ client }: World): Promise<string[]> {
  return (await client.list(IPAMHandle)).items.map(({ spec }) => spec.handleID).sort();
}

describe('annotations of a pod', () => {
  test('ipAddrs gives these addresses, again and again, and to the next container of the pod', async () => {
    const world = await fakeWorld();
    await world.addPod('web', annotated({ ipAddrs: '["fd00:65::7", "10.65.0.7"]' }));
    expect(await addressOf(world, {})).toBe('10.65.0.7/32,fd00:65::7/128');
    expect(await addressOf(world, {})).toBe('10.65.0.7/32,fd00:65::7/128');
    expect(await addressOf(world, { container: 'c2', netns: '/run/netns/b' })).toBe('10.65.0.7/32,fd00:65::7/128');
    expect(await handles(world)).toEqual(['net.c2']);
    expect(await outputOf(world.handler(request('DEL')))).toBeNull();
    expect(await handles(world)).toEqual(['net.c2']);
  });

  test('ipAddrs in use by another pod refuses this one', async () => {
    const world = await fakeWorld();
    await world.addPod('web', annotated({ ipAddrs: '["10.65.0.7"]' }));
    await world.addPod('db', annotated({ ipAddrs: '["10.65.0.7"]' }));
    await addressOf(world, {});
    await expect(addressOf(world, { pod: 'db', container: 'c2', netns: '/run/netns/b' })).rejects.toThrow('10.65.0.7');
    expect(await handles(world)).toEqual(['net.c1']);
  });

  test('ipAddrsNoIpam gives an address that IPAM knows nothing of', async () => {
    const world = await fakeWorld();
    await world.addPod('web', annotated({ ipAddrsNoIpam: '["192.0.2.7"]' }));
    expect(await addressOf(world, { config: both })).toBe('192.0.2.7/32');
    expect(await handles(world)).toEqual([]);
    expect(await outputOf(world.handler(request('DEL', { config: both })))).toBeNull();
  });

  test("hwAddr is the pod's hardware address, in the result too", async () => {
    const world = await fakeWorld();
    await world.addPod('web', annotated({ hwAddr: '1C-0C-0A-C0-FF-EE' }));
    const output = await outputOf(world.handler(request('ADD')));
    expect(output).toMatchObject({ interfaces: [{}, { mac: '1c:0c:0a:c0:ff:ee' }] });
    const pod = world.machine.openKernel({ namespace: world.machine.openNamespace('/run/netns/a') });
    expect(pod.link('eth0')?.mac).toBe('1c:0c:0a:c0:ff:ee');
  });

  test('floatingIPs and allowedSourcePrefixes are part of the endpoint', async () => {
    const world = await fakeWorld();
    await world.addPod(
      'web',
      annotated({ floatingIPs: '["192.0.2.9"]', allowedSourcePrefixes: '["198.51.100.0/24"]' }),
    );
    await addressOf(world, { config: both });
    const [endpoint] = world.felix.endpoints.values();
    expect(endpoint?.spec).toMatchObject({
      ipNATs: [{ internalIP: '10.65.0.64', externalIP: '192.0.2.9' }],
      allowSpoofedSourcePrefixes: ['198.51.100.0/24'],
    });
  });

  const refusals: { name: string; values: Record<string, string>; config?: Record<string, unknown>; says: string }[] = [
    { name: 'ipAddrs without an address', values: { ipAddrs: '[]' }, says: 'one address of a family' },
    { name: 'two of a family', values: { ipAddrs: '["10.65.0.7","10.65.0.8"]' }, says: 'one address of a family' },
    { name: 'ipAddrs that is none', values: { ipAddrs: '["web"]' }, says: 'allowed: a list of addresses' },
    { name: 'ipAddrs outside of all pools', values: { ipAddrs: '["192.0.2.1"]' }, says: 'no enabled pool has it' },
    {
      name: 'both kinds of addresses',
      values: { ipAddrs: '["10.65.0.7"]', ipAddrsNoIpam: '["10.65.0.7"]' },
      config: both,
      says: 'either it or',
    },
    {
      name: 'ipAddrsNoIpam that is not switched on',
      values: { ipAddrsNoIpam: '["10.65.0.7"]' },
      says: 'feature_control.ip_addrs_no_ipam',
    },
    {
      name: 'floatingIPs that are not switched on',
      values: { floatingIPs: '["192.0.2.9"]' },
      says: 'feature_control.floating_ips',
    },
    { name: 'floatingIPs that are none', values: { floatingIPs: '[7]' }, config: both, says: 'a list of addresses' },
    {
      name: 'allowedSourcePrefixes that are none',
      values: { allowedSourcePrefixes: '["a"]' },
      says: 'a list of CIDRs',
    },
    { name: 'hwAddr that is none', values: { hwAddr: 'web' }, says: 'hwAddr is "web"' },
    { name: 'hwAddr of a group', values: { hwAddr: '01:00:5e:00:00:01' }, says: 'of one interface' },
    { name: 'ipFamilies without a family', values: { ipFamilies: '[]' }, says: 'at least one' },
  ];
  for (const { name, values, config = {}, says } of refusals) {
    test(`refuses ${name}, and leaves nothing`, async () => {
      const world = await fakeWorld();
      await world.addPod('web', annotated(values));
      await expect(addressOf(world, { config })).rejects.toThrow(says);
      expect(await handles(world)).toEqual([]);
      expect(world.felix.endpoints.size).toBe(0);
    });
  }
});

test('a virtual machine is refused by its name, unless its address need not move with it', async () => {
  const world = await fakeWorld();
  const pod = await world.addPod('virt-launcher-vm');
  const owner = { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name: 'vm', uid: 'u1' };
  await world.client.update(Pod, { ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } });
  const call = { pod: 'virt-launcher-vm' };
  await expect(addressOf(world, call)).rejects.toThrow('it runs VirtualMachineInstance "vm"');
  expect(await handles(world)).toEqual([]);
  await world.client.create(IPAMConfiguration, {
    apiVersion: 'projectcalico.org/v3',
    kind: 'IPAMConfiguration',
    metadata: { name: 'default' },
    spec: { kubeVirtVMAddressPersistence: 'Disabled' },
  } as unknown as IPAMConfiguration);
  expect(await addressOf(world, call)).toMatch(/^10\.65\./);
});

import { describe, expect, test } from 'bun:test';
import { IPAMHandle, Profile, WorkloadEndpoint } from '@calico/api';
import type { CniRequest } from './protocol.ts';
import { fakeWorld, outputOf, request, type World } from './testing.ts';

/** A call for a container that is no pod. */
function plain(command: CniRequest['command'], options: Parameters<typeof request>[1] = {}): CniRequest {
  const call = request(command, options);
  return { ...call, parameters: { ...call.parameters, args: 'IgnoreUnknown=1' } };
}

async function left({ client, felix }: World) {
  const [handles, endpoints] = await Promise.all([client.list(IPAMHandle), client.list(WorkloadEndpoint)]);
  return { handles: handles.items.length, endpoints: endpoints.items.length, felix: felix.endpoints.size };
}

describe('a container outside of Kubernetes', () => {
  const container = '0123456789abcdef';
  const name = 'node--1-cni-0123456789abcdef-eth0';

  test('has a WorkloadEndpoint of orchestrator cni and the profile of its network; DEL takes it away', async () => {
    const world = await fakeWorld('etcdv3');
    const added = await outputOf(world.handler(plain('ADD', { container })));
    expect(added).toMatchObject({ interfaces: [{ name: 'cali0123456789a' }, { name: 'eth0' }] });
    const stored = await world.client.get(WorkloadEndpoint, { name, namespace: 'default' });
    expect(stored).toMatchObject({
      metadata: { labels: { 'projectcalico.org/namespace': 'default', 'projectcalico.org/orchestrator': 'cni' } },
      spec: {
        orchestrator: 'cni',
        node: 'node-1',
        containerID: container,
        endpoint: 'eth0',
        ipNetworks: ['10.65.0.64/32'],
        profiles: ['net'],
        interfaceName: 'cali0123456789a',
        mac: '02:00:00:00:00:01',
      },
    });
    expect([...world.felix.endpoints.keys()]).toEqual([name]);
    expect((await world.client.get(Profile, { name: 'net' })).spec).toEqual({
      ingress: [{ action: 'Allow', source: { selector: 'has(net)' } }],
      egress: [{ action: 'Allow' }],
      labelsToApply: { net: '' },
    });
    const prevResult = added as object;
    expect(await outputOf(world.handler(plain('CHECK', { container, config: { prevResult } })))).toBeNull();
    expect(await outputOf(world.handler(plain('DEL', { container })))).toBeNull();
    expect(await outputOf(world.handler(plain('DEL', { container })))).toBeNull();
    expect(await left(world)).toEqual({ handles: 0, endpoints: 0, felix: 0 });
  });

  test('keeps its address when it is added again, and never changes a profile that is there', async () => {
    const world = await fakeWorld('etcdv3');
    const spec = { ingress: [], egress: [], labelsToApply: {} };
    await world.client.create(Profile, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'Profile',
      metadata: { name: 'net' },
      spec,
    });
    const first = await outputOf(world.handler(plain('ADD', { container })));
    expect(await outputOf(world.handler(plain('ADD', { container })))).toMatchObject({
      ips: (first as { ips: object[] }).ips,
    });
    expect((await world.client.get(Profile, { name: 'net' })).spec).toEqual(spec);
    expect(await left(world)).toEqual({ handles: 1, endpoints: 1, felix: 1 });
  });

  test('leaves nothing when the endpoint cannot be stored', async () => {
    const world = await fakeWorld('etcdv3');
    world.client.failNext('create', { code: 'Forbidden' }, WorkloadEndpoint);
    await expect(outputOf(world.handler(plain('ADD', { container })))).rejects.toThrow(
      'Cannot create WorkloadEndpoint',
    );
    expect(await left(world)).toEqual({ handles: 0, endpoints: 0, felix: 0 });
  });

  test('is stored once, though the answer to the write was lost', async () => {
    const world = await fakeWorld('etcdv3');
    world.client.failNext('create', { code: 'Timeout', done: true }, WorkloadEndpoint);
    const added = outputOf(world.handler(plain('ADD', { container })));
    let ended = false;
    added.finally(() => {
      ended = true;
    });
    while (!ended) {
      await world.clock.advance(50);
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(await added).toHaveProperty('ips');
    expect(await left(world)).toEqual({ handles: 1, endpoints: 1, felix: 1 });
  });

  test('may have one interface of Calico', async () => {
    const world = await fakeWorld('etcdv3');
    await outputOf(world.handler(plain('ADD', { container })));
    const second = plain('ADD', { container, netns: '/run/netns/b' });
    const other = { ...second, parameters: { ...second.parameters, ifname: 'eth1' } };
    await expect(outputOf(world.handler(other))).rejects.toThrow('allowed: "eth0", its one interface of Calico');
    expect(world.kernel.link('cali0123456789a')?.alias).toBe(`net/${container}/eth0`);
  });

  test('goes with its endpoint when the runtime no longer knows it', async () => {
    const world = await fakeWorld('etcdv3');
    await outputOf(world.handler(plain('ADD', { container })));
    const config = { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] };
    await outputOf(world.handler(plain('GC', { container: '', config })));
    expect(await left(world)).toEqual({ handles: 0, endpoints: 0, felix: 0 });
  });

  test('is refused where endpoints are kept in pods', async () => {
    const world = await fakeWorld();
    await expect(outputOf(world.handler(plain('ADD', { container })))).rejects.toThrow(
      '4: Cannot set up container 0123456789abcdef: CNI_ARGS has no K8S_POD_NAMESPACE and K8S_POD_NAME',
    );
    expect(await outputOf(world.handler(plain('DEL', { container })))).toBeNull();
  });
});

describe('a pod with etcd as the datastore', () => {
  test('without policy.type is an endpoint whose pod nobody reads, and its profile allows all', async () => {
    const world = await fakeWorld('etcdv3');
    await outputOf(world.handler(request('ADD')));
    const key = { name: 'node--1-k8s-web-eth0', namespace: 'shop' };
    expect(await world.client.get(WorkloadEndpoint, key)).toMatchObject({
      spec: { orchestrator: 'k8s', pod: 'web', profiles: ['net'], containerID: 'c1' },
    });
    expect((await world.client.get(Profile, { name: 'net' })).spec.ingress).toEqual([{ action: 'Allow' }]);
  });

  test('with policy.type k8s needs an API of Kubernetes', async () => {
    const world = await fakeWorld('etcdv3');
    await expect(outputOf(world.handler(request('ADD', { config: { policy: { type: 'k8s' } } })))).rejects.toThrow(
      'policy.type is "k8s", but no API of Kubernetes is known',
    );
  });
});

import { describe, expect, test } from 'bun:test';
import { IPPool, type ObjectMeta, Service } from '@calico/api';
import { addr, type Family, printAddr } from '@calico/ip';
import { readPools } from '@calico/ipam';
import { newTestWorld, type TestWorld } from '../testing.ts';
import { startLoadBalancer } from './controller.ts';
import { planService, serviceHandle, serviceWishes } from './plan.ts';

const at = 'projectcalico.org/v3';

function service(name: string, spec: Service['spec'] = {}, metadata: Partial<ObjectMeta> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop', ...metadata },
    spec: { type: 'LoadBalancer', ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  };
}

const ips = (...list: string[]) => ({ 'projectcalico.org/loadBalancerIPs': JSON.stringify(list) });

describe('which services are served', () => {
  test.each([
    ['every LoadBalancer without class', service('a'), 'AllServices', true],
    ['that of Calico’s class', service('a', { loadBalancerClass: 'calico' }), 'AllServices', true],
    ['none of another class', service('a', { loadBalancerClass: 'other' }), 'AllServices', false],
    ['no other type', service('a', { type: 'ClusterIP' }), 'AllServices', false],
    ['on request: none that asks for nothing', service('a'), 'RequestedServicesOnly', false],
    ['on request: of Calico’s class', service('a', { loadBalancerClass: 'calico' }), 'RequestedServicesOnly', true],
    ['on request: with an address', service('a', { loadBalancerIP: '10.9.0.1' }), 'RequestedServicesOnly', true],
    [
      'on request: with an annotation',
      service('a', {}, { annotations: ips('10.9.0.1') }),
      'RequestedServicesOnly',
      true,
    ],
    [
      'on request: none of another class',
      service('a', { loadBalancerClass: 'other' }, { annotations: ips('10.9.0.1') }),
      'RequestedServicesOnly',
      false,
    ],
  ] as const)('%s', (_name, one, mode, want) => {
    expect(serviceWishes(one, mode) !== undefined).toBe(want);
  });

  test('the handle depends on name, namespace and uid alone, and is fit for a name', () => {
    const one = service('Web', {}, { uid: 'u1' });
    expect(serviceHandle(one)).toMatch(/^lb-[A-Za-z0-9]{30,43}$/);
    expect(serviceHandle(one)).toBe(serviceHandle(service('web', { type: 'ClusterIP' }, { uid: 'U1' })));
    expect(serviceHandle(one)).not.toBe(serviceHandle(service('web', {}, { uid: 'u2' })));
  });
});

describe('what becomes of addresses', () => {
  const pools = readPools(
    [
      { name: 'lb4', spec: { cidr: '10.9.0.0/24', allowedUses: ['LoadBalancer'] } },
      { name: 'manual', spec: { cidr: '10.8.0.0/24', allowedUses: ['LoadBalancer'], assignmentMode: 'Manual' } },
      { name: 'lb6', spec: { cidr: 'fd09::/64', allowedUses: ['LoadBalancer'] } },
      { name: 'pods', spec: { cidr: '10.7.0.0/24' } },
    ].map(({ name, spec }) => ({ apiVersion: at, kind: 'IPPool', metadata: { name }, spec }) as IPPool),
  );
  const dual = { ipFamilies: ['IPv4', 'IPv6'] as ('IPv4' | 'IPv6')[] };
  const pools4 = (...list: string[]) => ({ 'projectcalico.org/ipv4pools': JSON.stringify(list) });
  const cases: [string, Service, string[], { keep: string[]; release: string[]; assign: Family[] }][] = [
    ['a new one gets an address', service('a'), [], { keep: [], release: [], assign: [4] }],
    ['a new one of both families gets both', service('a', dual), [], { keep: [], release: [], assign: [4, 6] }],
    [
      'one that became dual stack gets the family that it lacks',
      service('a', dual),
      ['10.9.0.1'],
      { keep: ['10.9.0.1'], release: [], assign: [6] },
    ],
    [
      'one that is no longer dual stack gives the other back',
      service('a'),
      ['10.9.0.1', 'fd09::1'],
      { keep: ['10.9.0.1'], release: ['fd09::1'], assign: [] },
    ],
    [
      'another address is asked for',
      service('a', {}, { annotations: ips('10.9.0.2') }),
      ['10.9.0.1'],
      { keep: [], release: ['10.9.0.1'], assign: [4] },
    ],
    [
      'the address asked for is there',
      service('a', { loadBalancerIP: '10.8.0.2' }),
      ['10.8.0.2'],
      { keep: ['10.8.0.2'], release: [], assign: [] },
    ],
    [
      'another pool is asked for',
      service('a', {}, { annotations: pools4('manual') }),
      ['10.9.0.1'],
      { keep: [], release: ['10.9.0.1'], assign: [4] },
    ],
    [
      'the pool asked for is that of the address',
      service('a', {}, { annotations: pools4('10.8.0.0/24') }),
      ['10.8.0.9'],
      { keep: ['10.8.0.9'], release: [], assign: [] },
    ],
    [
      'an address of a manual pool that nobody asks for any more goes back',
      service('a'),
      ['10.8.0.9'],
      { keep: [], release: ['10.8.0.9'], assign: [4] },
    ],
    [
      'an address of a pool that is not for services goes back',
      service('a'),
      ['10.7.0.9'],
      { keep: [], release: ['10.7.0.9'], assign: [4] },
    ],
    [
      'of two of a family one is kept',
      service('a'),
      ['10.9.0.1', '10.9.0.2'],
      { keep: ['10.9.0.1'], release: ['10.9.0.2'], assign: [] },
    ],
    [
      'one that is no longer served gives all back',
      service('a', { type: 'ClusterIP' }),
      ['10.9.0.1', 'fd09::1'],
      { keep: [], release: ['10.9.0.1', 'fd09::1'], assign: [] },
    ],
  ];
  test.each(cases)('%s', (_name, one, current, want) => {
    const plan = planService(
      serviceWishes(one, 'AllServices'),
      current.map(text => addr(text)),
      pools,
    );
    expect({
      keep: plan.keep.map(printAddr),
      release: plan.release.map(printAddr),
      assign: plan.assign.map(({ family }) => family),
    }).toEqual(want);
  });

  test('without a pool for services all go back, and none is asked for', () => {
    const plan = planService(serviceWishes(service('a'), 'AllServices'), [addr('10.9.0.1')], pools.slice(3));
    expect(plan).toEqual({ keep: [], release: [addr('10.9.0.1')], assign: [] });
  });
});

async function addPool({ calico }: TestWorld, name: string, cidr: string, spec: Partial<IPPool['spec']> = {}) {
  await calico.create(IPPool, {
    apiVersion: at,
    kind: 'IPPool',
    metadata: { name },
    spec: { cidr, allowedUses: ['LoadBalancer'], nodeSelector: 'all()', ...spec },
  });
}

describe('services in a cluster', () => {
  const ingress = async ({ kubernetes }: TestWorld, name: string) =>
    ((await kubernetes.get(Service, { namespace: 'shop', name })).status?.loadBalancer?.ingress ?? []).map(
      ({ ip }) => ip,
    );
  const pass = async ({ clock }: TestWorld) => {
    for (let i = 0; i < 6; i++) await clock.advance(500);
  };
  const start = async () => {
    const world = await newTestWorld();
    await addPool(world, 'lb', '10.9.0.0/24');
    const context = world.open();
    startLoadBalancer(context, { assignIPs: 'AllServices' });
    return { world, context };
  };

  test('get an address in their status, keep it, and give it back when they go', async () => {
    const { world, context } = await start();
    await world.kubernetes.create(Service, service('web'));
    await world.kubernetes.create(Service, service('api', {}, { annotations: ips('10.9.0.7') }));
    await pass(world);
    const [given] = await ingress(world, 'web');
    expect(given).toStartWith('10.9.0.');
    expect(await ingress(world, 'api')).toEqual(['10.9.0.7']);
    const found = await world.ipam.lookup(addr(given ?? ''));
    expect(found.attributes).toMatchObject({ service: 'web', namespace: 'shop', type: 'LoadBalancer' });
    await world.clock.advance(400_000);
    expect(await ingress(world, 'web')).toEqual([given]);
    await world.kubernetes.delete(Service, { namespace: 'shop', name: 'web' });
    await pass(world);
    await expect(world.ipam.lookup(addr(given ?? ''))).rejects.toMatchObject({ code: 'NotFound' });
    expect(await ingress(world, 'api')).toEqual(['10.9.0.7']);
    expect(await world.ipam.check()).toEqual([]);
    context.stop();
  });

  test('that become dual stack get the missing family once there is a pool for it', async () => {
    const { world, context } = await start();
    await world.kubernetes.create(Service, service('web'));
    await pass(world);
    const [four] = await ingress(world, 'web');
    const spec = { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' };
    await world.kubernetes.patch(Service, { namespace: 'shop', name: 'web' }, { spec }, { type: 'merge' });
    await pass(world);
    expect(await ingress(world, 'web')).toEqual([four]);
    await addPool(world, 'lb6', 'fd09::/120');
    await pass(world);
    expect(await ingress(world, 'web')).toEqual([four, expect.stringMatching(/^fd09::/)]);
    context.stop();
  });

  test('that are no longer of the type give all back, and those that come while nobody looks are found', async () => {
    const { world, context } = await start();
    await world.kubernetes.create(Service, service('web'));
    await pass(world);
    context.stop();
    await pass(world);
    await world.kubernetes.delete(Service, { namespace: 'shop', name: 'web' });
    await world.kubernetes.create(Service, service('web'));
    const again = world.open();
    startLoadBalancer(again, { assignIPs: 'AllServices' });
    await pass(world);
    expect((await world.ipam.usage()).pools.find(({ name }) => name === 'lb')?.allocated).toBe(1);
    await world.kubernetes.patch(
      Service,
      { namespace: 'shop', name: 'web' },
      { spec: { type: 'ClusterIP' } },
      { type: 'merge' },
    );
    await pass(world);
    expect(await ingress(world, 'web')).toEqual([]);
    expect((await world.ipam.usage()).pools.find(({ name }) => name === 'lb')?.allocated).toBe(0);
    again.stop();
  });

  test('two controllers at once give each service one address', async () => {
    const { world, context } = await start();
    const other = world.open();
    startLoadBalancer(other, { assignIPs: 'AllServices' });
    for (let i = 0; i < 5; i++) await world.kubernetes.create(Service, service(`s${i}`));
    await pass(world);
    const all = await Promise.all([0, 1, 2, 3, 4].map(i => ingress(world, `s${i}`)));
    expect(new Set(all.flat()).size).toBe(5);
    expect((await world.ipam.usage()).pools.find(({ name }) => name === 'lb')?.allocated).toBe(5);
    context.stop();
    other.stop();
  });
});

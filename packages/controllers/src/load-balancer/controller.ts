import { isDeepStrictEqual } from 'node:util';
import { IPAMBlock, IPPool, Namespace, Service } from '@calico/api';
import { isNotFound, printKey } from '@calico/datastore';
import { type Addr, printAddr } from '@calico/ip';
import { allocationsOf, isIpamError, readPools } from '@calico/ipam';
import { type ControllerContext, controllerQueue } from '../context.ts';
import { find } from '../nodes/directory.ts';
import type { WorkQueue } from '../work-queue.ts';
import { type AssignIPs, type FamilyWish, planService, serviceHandle, serviceWishes } from './plan.ts';

/** The owner of the blocks that addresses of services come from. */
const NODE = 'load-balancer';
/** How often all services are looked at; ms. */
const RESYNC_MS = 300_000;

/** Gives addresses to services of type LoadBalancer, one of each of their families, and takes them back. */
export function startLoadBalancer(context: ControllerContext, config: { readonly assignIPs: AssignIPs }): WorkQueue {
  const { stores, views, ipam, clock, log } = context;
  const services = views.of(stores.kubernetes, Service);
  const pools = views.of(stores.calico, IPPool);
  const blocks = views.of(stores.calico, IPAMBlock);
  /** Which handles have addresses for a service, by block. */
  const handles = new Map<string, ReadonlyMap<string, ReadonlySet<string>>>();

  const queue = controllerQueue(context, {
    name: 'loadbalancer',
    resyncMs: () => RESYNC_MS,
    keys: () => {
      const ours = [...services.items].filter(([, { spec }]) => spec.type === 'LoadBalancer').map(([key]) => key);
      return new Set([...ours, ...[...handles.values()].flatMap(found => [...found.keys()])]);
    },
    reconcile: async key => {
      const service = services.items.get(key);
      const own = service && serviceHandle(service);
      const known = new Set([...handles.values()].flatMap(found => [...(found.get(key) ?? [])]));
      for (const handle of known) if (handle !== own) await releaseAbandoned(key, handle);
      if (service === undefined || own === undefined) return;
      const wishes = serviceWishes(service, config.assignIPs);
      if (wishes === undefined && !known.has(own)) return;
      await serve(service, own, wishes);
    },
  });

  async function serve(service: Service, handle: string, wishes: FamilyWish[] | undefined): Promise<void> {
    const current = (await ipam.addressesByHandle(handle)).map(({ addr }) => addr);
    const { keep, release, assign } = planService(wishes, current, readPools([...pools.items.values()]));
    if (release.length > 0) {
      await ipam.releaseIps(release.map(address => ({ address, handle })));
      log.info({ service: printKey(service.metadata), addresses: release.map(printAddr) }, 'released addresses');
    }
    const given: Addr[] = [];
    let failure: unknown;
    for (const wish of assign) {
      try {
        given.push(...(await assignOne(service, handle, wish)));
      } catch (err) {
        // The other family gets its address all the same.
        failure ??= err;
      }
    }
    const order = (wishes ?? []).map(({ family }) => family);
    const all = [...keep, ...given].sort((a, b) => order.indexOf(a.family) - order.indexOf(b.family));
    await writeStatus(service, all.map(printAddr));
    if (failure !== undefined) throw failure;
  }

  async function assignOne(service: Service, handle: string, wish: FamilyWish): Promise<Addr[]> {
    const { name, namespace = 'default' } = service.metadata;
    const timestamp = new Date(clock.wallTime()).toISOString();
    const attributes = { service: name, namespace, type: 'LoadBalancer', timestamp };
    const wanted = { node: NODE, handle, attributes, intendedUse: 'LoadBalancer', maxPerHandle: 1 } as const;
    const { family, address, pools: requested = [] } = wish;
    if (address !== undefined) {
      await ipam.assignIp({ ...wanted, address, reuse: true });
      return [address];
    }
    const [ipv4, ipv6] = family === 4 ? [1, 0] : [0, 1];
    const labels = await namespaceLabels(namespace);
    const given = await ipam.autoAssign({
      ...wanted,
      ipv4,
      ipv6,
      namespace: { name: namespace, labels },
      ...(family === 4 ? { pools4: requested } : { pools6: requested }),
    });
    if (given.notes.length > 0) {
      throw new Error(`Cannot give Service(${namespace}/${name}) an IPv${family} address: ${given.notes.join('; ')}`);
    }
    return [...given.ipv4, ...given.ipv6].map(({ addr }) => addr);
  }

  async function namespaceLabels(name: string): Promise<Record<string, string>> {
    if (![...pools.items.values()].some(({ spec }) => spec.namespaceSelector)) return {};
    return (await find(() => stores.kubernetes.get(Namespace, { name })))?.metadata.labels ?? {};
  }

  /** The service is gone, or another of that name: what the old one had. */
  async function releaseAbandoned(key: string, handle: string): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    const anew = await find(() => stores.kubernetes.get(Service, { namespace, name }));
    if (anew !== undefined && serviceHandle(anew) === handle) return;
    try {
      await ipam.releaseByHandle(handle);
      log.info({ service: key, handle }, 'released the addresses of a service that is gone');
    } catch (err) {
      if (!isIpamError(err, 'NotFound')) throw err;
    }
  }

  async function writeStatus(service: Service, addresses: readonly string[]): Promise<void> {
    const ingress = service.status?.loadBalancer?.ingress ?? [];
    const shown = ingress.map(({ ip }) => ip);
    if (isDeepStrictEqual(shown, addresses)) return;
    const { name, namespace = 'default' } = service.metadata;
    const status = { loadBalancer: { ingress: addresses.length === 0 ? null : addresses.map(ip => ({ ip })) } };
    try {
      await stores.kubernetes.patch(Service, { namespace, name }, { status }, { type: 'merge', subresource: 'status' });
    } catch (err) {
      if (!isNotFound(err)) throw err;
    }
  }

  blocks.listen((name, block) => {
    const before = handles.get(name) ?? new Map<string, ReadonlySet<string>>();
    const now = block?.spec.affinity === `virtual:${NODE}` ? handlesByService(block) : new Map<string, Set<string>>();
    if (now.size === 0) handles.delete(name);
    else handles.set(name, now);
    for (const key of new Set([...before.keys(), ...now.keys()])) {
      if (!isDeepStrictEqual(before.get(key), now.get(key))) queue.touch(key);
    }
  });
  services.listen((key, service, before) => {
    if ([service, before].some(one => one?.spec.type === 'LoadBalancer')) queue.touch(key);
  });
  pools.listen(() => queue.touchAll());
  return queue;
}

function handlesByService(block: IPAMBlock): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { state } of allocationsOf(block)) {
    if (state.state !== 'allocated' || state.handle === undefined) continue;
    const { service, namespace } = state.attributes;
    if (!service || !namespace) continue;
    const key = `${namespace}/${service}`;
    found.set(key, (found.get(key) ?? new Set()).add(state.handle));
  }
  return found;
}

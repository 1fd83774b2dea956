import type { EndpointId, HostInfo, LocalEndpoint, Message, PoolInfo, RouteInfo, Vtep } from '@calico/calc';
import { type Addr, type Family, parseAddr, parseCidr, printAddr, printCidr } from '@calico/ip';
import type { Kernel, Link, Route } from '@calico/kernel';
import type { RouteState } from '../tables.ts';
import { planRoute, type RouteSurroundings, workloadRoutes } from './route-plan.ts';
import { mainTable, ourProtocol, type RoutingConfig, vxlanDevice } from './routing-config.ts';
import {
  ensureVxlanDevice,
  linkWithAddress,
  removeVxlanDevice,
  syncTunnelEnds,
  tunnelEnd,
  unlessAbsent,
} from './vxlan.ts';

const families = [4, 6] as const;

/**
 * Keeps the routes to workloads, blocks and other nodes, and the VXLAN devices. `handle` takes messages in, `apply`
 * writes what changed, `resync` compares with the kernel. Routes of other programs are left alone.
 */
export class Routing {
  readonly #kernel: Kernel;
  #config: RoutingConfig;
  /** By what routes to workloads that are still to go are known as ours: earlier configurations. */
  #formerOwn: Pick<RoutingConfig, 'interfacePrefixes' | 'deviceRouteProtocol'>[] = [];
  readonly #infos = new Map<string, RouteInfo>();
  readonly #endpoints = new Map<EndpointId, LocalEndpoint>();
  readonly #vteps = new Map<string, Vtep>();
  readonly #hosts = new Map<string, HostInfo>();
  readonly #pools = new Map<string, PoolInfo>();
  readonly #vxlanLinks = new Map<Family, number>();
  readonly #parentLinks = new Map<Family, number>();
  /** What each source — a CIDR of the calculation, or an endpoint — asks for, by route and source. */
  readonly #claims = new Map<string, Map<string, Route>>();
  readonly #routesOf = new Map<string, string[]>();
  /** What the kernel has of ours; undefined until the first reading. */
  #actual: Map<string, Route> | undefined;
  readonly #dirtySources = new Set<string>();
  readonly #dirtyRoutes = new Set<string>();
  /** Routes that the kernel may have dropped by itself, whatever `#actual` says. */
  readonly #unsureRoutes = new Set<string>();
  #tunnelsDirty = true;

  constructor(kernel: Kernel, config: RoutingConfig) {
    this.#kernel = kernel;
    this.#config = config;
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    switch (message.kind) {
      case 'routeUpdate':
        this.#infos.set(message.route.cidr, message.route);
        this.#dirtySources.add(message.route.cidr);
        return;
      case 'routeRemove':
        this.#infos.delete(message.cidr);
        this.#dirtySources.add(message.cidr);
        return;
      case 'endpointUpdate':
        this.#endpoints.set(message.id, message.endpoint);
        this.#dirtySources.add(message.id);
        return;
      case 'endpointRemove':
        this.#endpoints.delete(message.id);
        this.#dirtySources.add(message.id);
        return;
      case 'vtepUpdate':
        this.#vteps.set(message.vtep.node, message.vtep);
        this.#tunnelsDirty = true;
        return;
      case 'vtepRemove':
        this.#vteps.delete(message.node);
        this.#tunnelsDirty = true;
        return;
      case 'hostUpdate':
        this.#hosts.set(message.host.name, message.host);
        this.#tunnelsDirty = true;
        return;
      case 'hostRemove':
        this.#hosts.delete(message.name);
        this.#tunnelsDirty = true;
        return;
      case 'poolUpdate':
        this.#pools.set(message.pool.cidr, message.pool);
        this.#tunnelsDirty = true;
        return;
      case 'poolRemove':
        this.#pools.delete(message.cidr);
        this.#tunnelsDirty = true;
        return;
    }
  }

  /**
   * An interface came, went or changed: what depends on it is planned anew by the next `apply`. Nothing depends on most
   * of them: the interfaces of ended pods are renamed and deleted all the time.
   */
  linkChanged({ index, name }: Pick<Link, 'index' | 'name'>): void {
    if (isWorkload(name, this.#config)) {
      for (const [id, endpoint] of this.#endpoints) {
        if (endpoint.name !== name) continue;
        this.#dirtySources.add(id);
        // An interface that was down in between has lost its routes.
        for (const key of this.#routesOf.get(id) ?? []) this.#unsureRoutes.add(key);
      }
      return;
    }
    const used = [...this.#vxlanLinks.values(), ...this.#parentLinks.values()].includes(index);
    const isTunnel = name === vxlanDevice[4] || name === vxlanDevice[6];
    const isAwaited = families.some(family => this.#ownAddress(family) !== undefined && !this.#parentLinks.has(family));
    if (used || isTunnel || isAwaited) this.#tunnelsDirty = true;
  }

  /**
   * Writes what has changed. Gives the number of routes written or removed. A route that the kernel refuses keeps no
   * other back: the first KernelError is thrown at the end, and the next call tries again.
   */
  apply(): number {
    if (this.#tunnelsDirty) this.#applyTunnels();
    for (const source of this.#dirtySources) this.#plan(source);
    this.#dirtySources.clear();
    if (this.#config.routeSyncDisabled) return 0;
    if (this.#actual === undefined) this.#readRoutes();
    let written = 0;
    let refused: { error: unknown } | undefined;
    // What comes does so before anything goes: a route under another metric takes over from the old one.
    const isWanted = (key: string) => this.#claims.has(key);
    const dirty = [...this.#dirtyRoutes];
    for (const key of [...dirty.filter(isWanted), ...dirty.filter(key => !isWanted(key))]) {
      try {
        if (this.#applyRoute(key)) written++;
        this.#dirtyRoutes.delete(key);
        this.#unsureRoutes.delete(key);
      } catch (error) {
        refused ??= { error };
      }
    }
    if (refused !== undefined) throw refused.error;
    this.#formerOwn = [];
    return written;
  }

  /** Has the next `apply` write what follows from another configuration. Routes that go do so after those that come. */
  reconfigure(config: RoutingConfig): void {
    this.#formerOwn.push(this.#config);
    this.#config = config;
    for (const id of this.#endpoints.keys()) this.#dirtySources.add(id);
    this.resync();
  }

  /** Has the next `apply` read the kernel and write every difference. */
  resync(): void {
    this.#actual = undefined;
    this.#tunnelsDirty = true;
  }

  /** The routes that are wanted, and those of ours that the kernel had when it was last read or written. */
  *routes(): Generator<RouteState> {
    for (const key of new Set([...this.#claims.keys(), ...(this.#actual?.keys() ?? [])])) {
      const desired = this.#desired(key);
      const actual = this.#actual?.get(key);
      const route = desired ?? actual;
      if (route === undefined) continue;
      const there = actual !== undefined && desired !== undefined && sameRoute(actual, desired);
      yield {
        destination: printCidr(route.destination),
        type: route.type,
        gateway: route.gateway && printAddr(route.gateway),
        link: route.link,
        state: there ? 'present' : desired === undefined ? 'to be removed' : 'missing',
      };
    }
  }

  #applyTunnels(): void {
    for (const family of families) {
      const own = this.#vteps.get(this.#config.nodeName);
      const link = this.#overlayWanted(family)
        ? ensureVxlanDevice(this.#kernel, family, tunnelEnd(own, family), this.#config)
        : removeVxlanDevice(this.#kernel, family);
      setOrDelete(this.#vxlanLinks, family, link ?? undefined);
      if (link !== undefined) {
        const others = [...this.#vteps.values()].filter(vtep => vtep.node !== this.#config.nodeName);
        syncTunnelEnds(
          this.#kernel,
          family,
          link,
          others.flatMap(vtep => tunnelEnd(vtep, family) ?? []),
        );
      }
      const address = this.#ownAddress(family);
      setOrDelete(this.#parentLinks, family, address && linkWithAddress(this.#kernel, address)?.index);
    }
    for (const cidr of this.#infos.keys()) this.#dirtySources.add(cidr);
    this.#tunnelsDirty = false;
    // A device made anew has lost its routes.
    this.#actual = undefined;
  }

  #ownAddress(family: Family): Addr | undefined {
    const host = this.#hosts.get(this.#config.nodeName);
    return parseAddr((family === 4 ? host?.ipv4 : host?.ipv6) ?? '');
  }

  #overlayWanted(family: Family): boolean {
    return [...this.#pools.values()].some(
      pool => pool.vxlanMode !== 'Never' && parseCidr(pool.cidr)?.addr.family === family,
    );
  }

  #plan(source: string): void {
    const keys: string[] = [];
    for (const route of this.#plannedRoutes(source)) {
      const key = routeKey(route);
      keys.push(key);
      const claims = this.#claims.get(key) ?? new Map<string, Route>();
      this.#claims.set(key, claims.set(source, route));
      this.#dirtyRoutes.add(key);
    }
    for (const key of this.#routesOf.get(source) ?? []) {
      if (keys.includes(key)) continue;
      const claims = this.#claims.get(key);
      claims?.delete(source);
      if (claims?.size === 0) this.#claims.delete(key);
      this.#dirtyRoutes.add(key);
    }
    if (keys.length > 0) this.#routesOf.set(source, keys);
    else this.#routesOf.delete(source);
  }

  /** Of several claims on a route an endpoint's wins, and of those the lowest name's. */
  #desired(key: string): Route | undefined {
    const [first] = [...(this.#claims.get(key) ?? [])].sort(
      ([a], [b]) => Number(this.#endpoints.has(b)) - Number(this.#endpoints.has(a)) || (a < b ? -1 : 1),
    );
    return first?.[1];
  }

  #plannedRoutes(source: string): Route[] {
    const endpoint = this.#endpoints.get(source);
    if (endpoint !== undefined) {
      const link = this.#kernel.link(endpoint.name);
      return endpoint.active && link?.up ? workloadRoutes(endpoint, link.index, this.#config) : [];
    }
    const info = this.#infos.get(source);
    const route = info && planRoute(info, this.#surroundings);
    return route === undefined ? [] : [route];
  }

  get #surroundings(): RouteSurroundings {
    return {
      config: this.#config,
      vxlanLink: family => this.#vxlanLinks.get(family),
      parentLink: family => this.#parentLinks.get(family),
      vtep: node => this.#vteps.get(node),
    };
  }

  #readRoutes(): void {
    const actual = new Map<string, Route>();
    const links = new Map(this.#kernel.links().map(link => [link.index, link.name]));
    for (const route of this.#kernel.routes({ table: mainTable })) {
      if (this.#isOurs(route, links)) actual.set(routeKey(route), route);
    }
    this.#actual = actual;
    for (const key of [...actual.keys(), ...this.#claims.keys()]) this.#dirtyRoutes.add(key);
  }

  /** Ours: marked with our protocol, or on a device that is only ours, as workloads' interfaces are unless told otherwise. */
  #isOurs(route: Route, links: ReadonlyMap<number, string>): boolean {
    if (route.protocol === kernelProtocol) return false;
    if (route.protocol === ourProtocol) return true;
    const name = route.link === undefined ? '' : (links.get(route.link) ?? '');
    if (name === vxlanDevice[4] || name === vxlanDevice[6]) return true;
    if (this.#config.removeExternalRoutes && isWorkload(name, this.#config)) return true;
    return [this.#config, ...this.#formerOwn].some(
      config => isWorkload(name, config) && route.protocol === config.deviceRouteProtocol,
    );
  }

  #applyRoute(key: string): boolean {
    const desired = this.#desired(key);
    const actual = this.#actual?.get(key);
    if (desired === undefined) {
      if (actual === undefined) return false;
      unlessAbsent(() => this.#kernel.deleteRoute(actual));
      this.#actual?.delete(key);
      return true;
    }
    if (actual !== undefined && sameRoute(actual, desired) && !this.#unsureRoutes.has(key)) return false;
    try {
      this.#kernel.replaceRoute(desired);
    } catch (error) {
      // Its interface went down or away since it was planned, as those of ending pods do: no reason to keep others waiting.
      // The event that is on its way, or the one that brings it up again, has the route planned anew.
      if (desired.link === undefined || this.#kernel.link(desired.link)?.up === true) throw error;
      this.#actual?.delete(key);
      return false;
    }
    this.#actual?.set(key, desired);
    return true;
  }
}

function isWorkload(name: string, { interfacePrefixes }: Pick<RoutingConfig, 'interfacePrefixes'>): boolean {
  return interfacePrefixes.some(prefix => name.startsWith(prefix));
}

/** Routes that the kernel made itself, for addresses of interfaces. linux/rtnetlink.h RTPROT_KERNEL */
const kernelProtocol = 2;

/** A route's identity in the kernel: destination, table and metric. */
function routeKey(route: Route): string {
  return `${printCidr(route.destination)} table ${route.table} metric ${route.metric ?? 0}`;
}

function sameRoute(a: Route, b: Route): boolean {
  return (
    a.type === b.type &&
    a.link === (b.type === 'blackhole' ? a.link : b.link) &&
    a.gateway?.value === b.gateway?.value &&
    a.protocol === b.protocol &&
    a.source?.value === b.source?.value &&
    (a.onlink ?? false) === (b.onlink ?? false)
  );
}

function setOrDelete<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

import type { EndpointId, LocalEndpoint, Message, RouteInfo } from '@calico/calc';
import { printAddr, printCidr } from '@calico/ip';
import type { Kernel, Link, Route } from '@calico/kernel';
import { finished, MultiMap } from '@calico/reconcile';
import { EndpointIndex } from '../endpoint-index.ts';
import type { RouteState } from '../tables.ts';
import { ClaimedTable } from './claimed-table.ts';
import { planRoute, type RouteSurroundings, workloadRoutes } from './route-plan.ts';
import { mainTable, ourProtocol, type RoutingConfig, vxlanDevice } from './routing-config.ts';
import { Tunnels } from './tunnels.ts';
import { unlessAbsent } from './vxlan.ts';

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
  /** The CIDRs of which a node is the way. */
  readonly #infosOf = new MultiMap<string, string>();
  readonly #endpoints = new EndpointIndex();
  /** Who asks for a floating IP. */
  readonly #askersOf = new MultiMap<string, EndpointId>();
  readonly #tunnels: Tunnels;
  /** Sources: CIDRs of the calculation, and endpoints. */
  readonly #routes: ClaimedTable<Route>;
  readonly #dirtySources = new Set<string>();
  readonly #workloadLink: (name: string) => Link | undefined;

  /** `workloadLink` finds the interface of an endpoint, by the name that the endpoint says. */
  constructor(
    kernel: Kernel,
    config: RoutingConfig,
    workloadLink: (name: string) => Link | undefined = name => kernel.link(name),
  ) {
    this.#kernel = kernel;
    this.#config = config;
    this.#workloadLink = workloadLink;
    this.#tunnels = new Tunnels(kernel, config);
    this.#routes = new ClaimedTable({
      same: sameRoute,
      write: route => this.#write(route),
      remove: route => unlessAbsent(() => kernel.deleteRoute(route)),
      // An endpoint's claim wins, and of several the lowest name's.
      before: (a, b) => {
        const isEndpoint = this.#endpoints.has(a);
        return isEndpoint === this.#endpoints.has(b) ? a < b : isEndpoint;
      },
    });
  }

  /** Takes one message of the calculation in. Other kinds are ignored. */
  handle(message: Message): void {
    this.#tunnels.handle(message);
    switch (message.kind) {
      case 'routeUpdate':
        this.#setInfo(message.route.cidr, message.route);
        return;
      case 'routeRemove':
        this.#setInfo(message.cidr, undefined);
        return;
      case 'endpointUpdate':
        this.#setEndpoint(message.id, message.endpoint);
        return;
      case 'endpointRemove':
        this.#setEndpoint(message.id, undefined);
        return;
      case 'vtepUpdate':
        this.#planNode(message.vtep.node);
        return;
      case 'vtepRemove':
        this.#planNode(message.node);
        return;
    }
  }

  /** Whether the calculation knows of somebody who has the address, so that it is nobody's floating IP. */
  isTaken(cidr: string): boolean {
    return this.#infos.get(cidr)?.node !== undefined;
  }

  /**
   * An interface came, went or changed: what depends on it is planned anew by the next `apply`. Nothing depends on most
   * of them: the interfaces of ended pods are renamed and deleted all the time.
   */
  linkChanged(link: Pick<Link, 'index' | 'name'>): void {
    if (!isWorkload(link.name, this.#config)) {
      this.#tunnels.linkChanged(link);
      return;
    }
    for (const id of this.#endpoints.ofInterface(link.name)) {
      this.#dirtySources.add(id);
      // An interface that was down in between has lost its routes.
      this.#routes.doubt(id);
    }
  }

  /** All steps of `applyInSteps` at once. */
  apply(): number {
    return finished(this.applyInSteps());
  }

  /**
   * Writes what has changed, in steps. Gives the number of routes written or removed. A route that the kernel refuses keeps
   * no other back: the first KernelError is thrown at the end, and the next call tries again.
   */
  *applyInSteps(): Generator<void, number> {
    yield* this.#tunnels.applyInSteps();
    if (this.#tunnels.takeLinksChanged()) {
      for (const cidr of this.#infos.keys()) this.#dirtySources.add(cidr);
      // A device made anew, or that was down in between, has lost its routes.
      this.#routes.forget();
    }
    for (const source of this.#dirtySources) {
      this.#routes.claim(source, this.#plannedRoutes(source));
      this.#dirtySources.delete(source);
      yield;
    }
    if (this.#config.routeSyncDisabled) return 0;
    if (!this.#routes.isRead) this.#routes.read(yield* this.#readRoutes());
    const written = yield* this.#routes.applyInSteps();
    this.#formerOwn = [];
    return written;
  }

  /** Has the next `apply` write what follows from another configuration. Routes that go do so after those that come. */
  reconfigure(config: RoutingConfig): void {
    this.#formerOwn.push(this.#config);
    this.#config = config;
    this.#tunnels.reconfigure(config);
    for (const source of [...this.#endpoints.ids(), ...this.#infos.keys()]) this.#dirtySources.add(source);
    this.resync();
  }

  /** Has the next `apply` read the kernel and write every difference. */
  resync(): void {
    this.#tunnels.resync();
    this.#routes.forget();
  }

  /**
   * Compares routes and tunnels with the kernel, in steps between which changes may be applied as always. Gives how many
   * entries are other than they should be; the next `apply` writes them. Throws KernelError.
   */
  *resyncInSteps(): Generator<void, number> {
    const drift = yield* this.#tunnels.compareInSteps();
    return drift + (yield* this.#routes.compareInSteps(this.#readRoutes()));
  }

  /** The routes that are wanted, and those of ours that the kernel had when it was last read or written. */
  *routes(): Generator<RouteState> {
    for (const { wanted, present } of this.#routes.entries()) {
      const route = wanted ?? present;
      if (route === undefined) continue;
      const there = present !== undefined && wanted !== undefined && sameRoute(present, wanted);
      yield {
        destination: printCidr(route.destination),
        type: route.type,
        gateway: route.gateway && printAddr(route.gateway),
        link: route.link,
        state: there ? 'present' : wanted === undefined ? 'to be removed' : 'missing',
      };
    }
  }

  #planNode(node: string): void {
    for (const cidr of this.#infosOf.get(node)) this.#dirtySources.add(cidr);
  }

  #setInfo(cidr: string, info: RouteInfo | undefined): void {
    const before = this.#infos.get(cidr)?.node;
    if (before !== undefined) this.#infosOf.delete(before, cidr);
    if (info === undefined) this.#infos.delete(cidr);
    else {
      this.#infos.set(cidr, info);
      if (info.node !== undefined) this.#infosOf.add(info.node, cidr);
    }
    this.#dirtySources.add(cidr);
    for (const id of this.#askersOf.get(cidr)) this.#dirtySources.add(id);
  }

  #setEndpoint(id: EndpointId, endpoint: LocalEndpoint | undefined): void {
    for (const { external } of this.#endpoints.get(id)?.floatingIps ?? []) this.#askersOf.delete(external, id);
    this.#endpoints.set(id, endpoint);
    for (const { external } of endpoint?.floatingIps ?? []) this.#askersOf.add(external, id);
    this.#dirtySources.add(id);
  }

  #plannedRoutes(source: string): (readonly [string, Route])[] {
    const endpoint = this.#endpoints.get(source);
    if (endpoint !== undefined) {
      const link = this.#workloadLink(endpoint.name);
      if (!endpoint.active || !link?.up) return [];
      const routes = workloadRoutes(this.#addressesOf(endpoint), link.index, this.#config);
      return routes.map(route => [routeKey(route), route]);
    }
    const info = this.#infos.get(source);
    const route = info && planRoute(info, this.#surroundings);
    return route === undefined ? [] : [[routeKey(route), route]];
  }

  #addressesOf({ ipv4, ipv6, floatingIps }: LocalEndpoint): string[] {
    const floating = this.#config.floatingIps ? floatingIps.map(({ external }) => external) : [];
    return [...ipv4, ...ipv6, ...floating.filter(cidr => !this.isTaken(cidr))];
  }

  get #surroundings(): RouteSurroundings {
    return {
      config: this.#config,
      vxlanLink: family => this.#tunnels.link(family),
      parentLink: family => this.#tunnels.parent(family),
      vtep: node => this.#tunnels.vtep(node),
    };
  }

  *#readRoutes(): Generator<void, (readonly [string, Route])[]> {
    const links = new Map(this.#kernel.links().map(link => [link.index, link.name]));
    const all = yield* this.#kernel.routesInSteps({ table: mainTable });
    return all.flatMap(route => (this.#isOurs(route, links) ? [[routeKey(route), route] as const] : []));
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

  /** False when the route's interface is down or gone. */
  #write(route: Route): boolean {
    try {
      this.#kernel.replaceRoute(route);
      return true;
    } catch (error) {
      // It went since it was planned, as those of ending pods do: no reason to keep others waiting. The event that is on
      // its way, or the one that brings it up again, has the route planned anew.
      if (route.link === undefined || this.#kernel.link(route.link)?.up === true) throw error;
      return false;
    }
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

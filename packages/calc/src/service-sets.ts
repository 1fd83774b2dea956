import type { EndpointSlice } from '@calico/api';
import { hostCidr, parseAddr, printAddr, printCidr } from '@calico/ip';
import type { SetId } from '@calico/policy';
import { type Counter, countInto } from './counter.ts';
import type { IpSets } from './ip-sets.ts';
import { MultiMap } from './multi-map.ts';
import type { ServiceSet } from './set-definition.ts';

/** The label by which an EndpointSlice names its service (Kubernetes discovery/v1). */
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

interface Slice {
  /** `<namespace>/<name>` of the service. */
  readonly service: string;
  readonly nets: readonly string[];
  readonly addressPorts: readonly string[];
}

/** The sets of services' endpoints, from EndpointSlices. Whether an endpoint is ready does not matter. */
export class ServiceSets {
  readonly #slices = new Map<string, Slice>();
  readonly #slicesOf = new MultiMap<string, Slice>();
  readonly #setsOf = new MultiMap<string, ServiceSet>();
  readonly #ipSets: IpSets;

  constructor(ipSets: IpSets) {
    this.#ipSets = ipSets;
  }

  /** The slice `id` (`<namespace>/<name>`) is now `resource`; undefined: it is gone. */
  setSlice(id: string, resource: EndpointSlice | undefined): void {
    const before = this.#slices.get(id);
    const after = resource === undefined ? undefined : readSlice(resource);
    if (after !== undefined) {
      this.#slices.set(id, after);
      this.#slicesOf.add(after.service, after);
      this.#contribute(after, 'addMember');
    }
    if (before !== undefined) {
      if (after === undefined) this.#slices.delete(id);
      this.#slicesOf.delete(before.service, before);
      this.#contribute(before, 'removeMember');
    }
  }

  /** Begins to fill a set. */
  start(set: ServiceSet): void {
    this.#setsOf.add(set.service, set);
    for (const slice of this.#slicesOf.get(set.service)) this.#fill(set, slice, 'addMember');
  }

  /** No longer fills a set, which is going away. */
  stop(set: ServiceSet): void {
    this.#setsOf.delete(set.service, set);
  }

  /** Counts into `given` what is given to each set, for checks. */
  check(given: Map<SetId, Counter<string>>): void {
    for (const slice of this.#slices.values()) {
      for (const set of this.#setsOf.get(slice.service)) countInto(given, set.id, contributions(set, slice));
    }
  }

  get size(): number {
    return this.#slices.size + this.#setsOf.size;
  }

  #contribute(slice: Slice, act: 'addMember' | 'removeMember'): void {
    for (const set of this.#setsOf.get(slice.service)) this.#fill(set, slice, act);
  }

  #fill(set: ServiceSet, slice: Slice, act: 'addMember' | 'removeMember'): void {
    for (const member of contributions(set, slice)) this.#ipSets[act](set.id, member);
  }
}

/** The members that a slice gives to a set of its service. */
function contributions(set: ServiceSet, slice: Slice): readonly string[] {
  return set.ports ? slice.addressPorts : slice.nets;
}

function readSlice(resource: EndpointSlice): Slice | undefined {
  const name = resource.metadata.labels?.[SERVICE_NAME_LABEL];
  if (name === undefined) return undefined;
  const nets: string[] = [];
  const addressPorts: string[] = [];
  for (const endpoint of resource.endpoints ?? []) {
    for (const text of endpoint.addresses) {
      const address = parseAddr(text);
      if (address === undefined) continue;
      nets.push(printCidr(hostCidr(address)));
      for (const { port, protocol } of resource.ports ?? []) {
        if (port === undefined) continue;
        addressPorts.push(`${printAddr(address)},${(protocol ?? 'TCP').toLowerCase()}:${port}`);
      }
    }
  }
  return { service: `${resource.metadata.namespace ?? ''}/${name}`, nets, addressPorts };
}

import type { EndpointSlice } from '@calico/api';
import { parseAddr, printAddr } from '@calico/ip';
import type { SetId } from '@calico/policy';
import { MultiMap } from '@calico/reconcile';
import { type Counter, countInto } from './counter.ts';
import type { IpSet, IpSets } from './ip-sets.ts';
import type { MemberKey } from './member-counts.ts';
import { netKey } from './net-key.ts';
import type { ServiceSet } from './set-definition.ts';

/** The label by which an EndpointSlice names its service (Kubernetes discovery/v1). */
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

interface FilledSet {
  readonly set: IpSet;
  readonly definition: ServiceSet;
}

interface Slice {
  /** `<namespace>/<name>` of the service. */
  readonly service: string;
  readonly nets: readonly MemberKey[];
  readonly addressPorts: readonly string[];
}

/** The sets of services' endpoints, from EndpointSlices. Whether an endpoint is ready does not matter. */
export class ServiceSets {
  readonly #slices = new Map<string, Slice>();
  readonly #slicesOf = new MultiMap<string, Slice>();
  readonly #filled = new Map<SetId, FilledSet>();
  readonly #setsOf = new MultiMap<string, FilledSet>();
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
  start(set: IpSet, definition: ServiceSet): void {
    const filled = { set, definition };
    this.#filled.set(definition.id, filled);
    this.#setsOf.add(definition.service, filled);
    for (const slice of this.#slicesOf.get(definition.service)) this.#fill(filled, slice, 'addMember');
  }

  /** No longer fills a set, which is going away. */
  stop(id: SetId): void {
    const filled = this.#filled.get(id);
    if (filled === undefined) throw new Error(`Cannot stop to fill set ${id}: it is unknown`);
    this.#filled.delete(id);
    this.#setsOf.delete(filled.definition.service, filled);
  }

  /** Counts into `given` what is given to each set, for checks. */
  check(given: Map<SetId, Counter<MemberKey>>): void {
    for (const slice of this.#slices.values()) {
      for (const { definition } of this.#setsOf.get(slice.service)) {
        countInto(given, definition.id, contributions(definition, slice));
      }
    }
  }

  get size(): number {
    return this.#slices.size + this.#setsOf.size + this.#filled.size;
  }

  #contribute(slice: Slice, act: 'addMember' | 'removeMember'): void {
    for (const filled of this.#setsOf.get(slice.service)) this.#fill(filled, slice, act);
  }

  #fill({ set, definition }: FilledSet, slice: Slice, act: 'addMember' | 'removeMember'): void {
    for (const member of contributions(definition, slice)) this.#ipSets[act](set, member);
  }
}

/** The members that a slice gives to a set of its service. */
function contributions(definition: ServiceSet, slice: Slice): readonly MemberKey[] {
  return definition.ports ? slice.addressPorts : slice.nets;
}

function readSlice(resource: EndpointSlice): Slice | undefined {
  const name = resource.metadata.labels?.[SERVICE_NAME_LABEL];
  if (name === undefined) return undefined;
  const nets: MemberKey[] = [];
  const addressPorts: string[] = [];
  for (const endpoint of resource.endpoints ?? []) {
    for (const text of endpoint.addresses) {
      const address = parseAddr(text);
      const net = netKey(text);
      if (address === undefined || net === undefined) continue;
      nets.push(net);
      for (const { port, protocol } of resource.ports ?? []) {
        if (port === undefined) continue;
        addressPorts.push(`${printAddr(address)},${(protocol ?? 'TCP').toLowerCase()}:${port}`);
      }
    }
  }
  return { service: `${resource.metadata.namespace ?? ''}/${name}`, nets, addressPorts };
}

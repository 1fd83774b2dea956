import { type CalicoNode, nodeTunnelAddresses, type ResourceUpdate, type WorkloadEndpoint } from '@calico/api';
import { CalcGraph, worldOf } from '@calico/calc';
import { applyMessages, emptyState, type NodeState } from '@calico/calc/state';

import { type DataplaneConfig, dataplaneConfigFrom } from '@calico/dataplane';
import { type Addr, parseCidr, printAddr } from '@calico/ip';
import {
  type Direction,
  type Evaluation,
  evaluate,
  type Packet,
  PROTOCOLS,
  type SetId,
  type World,
} from '@calico/policy';
import type { Port } from './port.ts';

/** A workload with a network of its own. */
export interface Endpoint {
  /** `<namespace>/<name of the WorkloadEndpoint>` */
  readonly id: string;
  /** `<namespace>/<pod>` */
  readonly pod: string;
  readonly node: string;
  readonly addresses: readonly Addr[];
  /** The ports that it has names for. */
  readonly ports: readonly Port[];
}

/** The node that the graph calculates for: not a name that a node can have. Endpoints move there when they are asked about. */
const ASKED = '(asked)';

/**
 * A state of the cluster that questions about connections are put to. Programs are calculated when an endpoint is first
 * asked about, by the calculation that the node's agent runs: which node an endpoint is on does not change them.
 */
export class ClusterView {
  /** By the names of their pods. */
  readonly endpoints: readonly Endpoint[];
  /** What the calculation says of the endpoints asked about so far. */
  readonly state: NodeState = emptyState();
  readonly #graph = new CalcGraph({ nodeName: ASKED });
  readonly #world = remembering(worldOf(this.state));
  readonly #workloads = new Map<string, ResourceUpdate>();
  readonly #byAddress = new Map<string, Endpoint>();
  readonly #nodesByAddress = new Map<string, string>();
  readonly #configuration: ResourceUpdate[] = [];
  readonly #configs = new Map<string, DataplaneConfig>();

  /** Takes a whole cluster, as the syncer tells it. */
  constructor(updates: Iterable<ResourceUpdate>) {
    const endpoints: Endpoint[] = [];
    for (const update of updates) {
      this.#graph.update(update);
      if (update.resource === undefined) continue;
      if (update.kind === 'WorkloadEndpoint') endpoints.push(this.#addWorkload(update));
      if (update.kind === 'CalicoNode') this.#addNode(update.resource as CalicoNode);
      if (['FelixConfiguration', 'ClusterInformation', 'CalicoNode'].includes(update.kind))
        this.#configuration.push(update);
    }
    this.#graph.inSync();
    this.endpoints = endpoints.sort((a, b) => (`${a.pod} ${a.id}` < `${b.pod} ${b.id}` ? -1 : 1));
    for (const endpoint of this.endpoints) {
      for (const address of endpoint.addresses) {
        const text = printAddr(address);
        if (!this.#byAddress.has(text)) this.#byAddress.set(text, endpoint);
      }
    }
  }

  /** The endpoint that has the address. */
  endpointAt(address: Addr): Endpoint | undefined {
    return this.#byAddress.get(printAddr(address));
  }

  /** The node whose own address it is, that of a tunnel among them. */
  nodeAt(address: Addr): string | undefined {
    return this.#nodesByAddress.get(printAddr(address));
  }

  /** Calculates the programs of endpoints at once, which is faster than one by one. */
  prepare(endpoints: Iterable<Endpoint>): void {
    let more = false;
    for (const { id } of endpoints) {
      const update = this.#workloads.get(id);
      if (update === undefined) continue;
      this.#workloads.delete(id);
      const resource = update.resource as WorkloadEndpoint;
      const moved: WorkloadEndpoint = { ...resource, spec: { ...resource.spec, node: ASKED } };
      this.#graph.update({ ...update, resource: moved });
      more = true;
    }
    if (more) {
      applyMessages(this.state, this.#graph.flush());
      this.#world.forget();
    }
  }

  /** What the endpoint's policies say of the packet. Throws when the endpoint cannot be read. */
  decide(endpoint: Endpoint, direction: Direction, packet: Packet): Evaluation {
    this.prepare([endpoint]);
    const local = this.state.endpoints.get(endpoint.id);
    if (local === undefined) {
      throw new Error(`Cannot judge pod ${endpoint.pod}: its endpoint cannot be read, and its node drops its packets`);
    }
    return evaluate(local[direction], direction, this.#world, packet);
  }

  /** What the datastore says of how a node treats packets; its environment and configuration file are not known here. */
  config(node: string): DataplaneConfig {
    const known = this.#configs.get(node);
    if (known !== undefined) return known;
    const graph = new CalcGraph({ nodeName: node });
    for (const update of this.#configuration) {
      if (update.kind !== 'CalicoNode' || update.name === node) graph.update(update);
    }
    graph.inSync();
    const raw = applyMessages(emptyState(), graph.flush()).config ?? {};
    const { config } = dataplaneConfigFrom(node, raw);
    this.#configs.set(node, config);
    return config;
  }

  #addWorkload(update: ResourceUpdate): Endpoint {
    const { metadata, spec } = update.resource as WorkloadEndpoint;
    const namespace = update.namespace ?? metadata.namespace ?? '';
    const id = `${namespace}/${update.name}`;
    this.#workloads.set(id, update);
    return {
      id,
      pod: `${namespace}/${spec.pod ?? spec.workload ?? update.name}`,
      node: spec.node,
      addresses: (spec.ipNetworks ?? []).flatMap(text => parseCidr(text)?.addr ?? []),
      ports: (spec.ports ?? []).flatMap(({ protocol: name, port }) => {
        const protocol = PROTOCOLS[String(name).toLowerCase()];
        return protocol === undefined ? [] : [{ protocol, port }];
      }),
    };
  }

  #addNode(node: CalicoNode): void {
    const { metadata, spec } = node;
    const own = (spec.addresses ?? []).map(({ address }) => address);
    for (const text of [...own, spec.bgp?.ipv4Address, spec.bgp?.ipv6Address, ...nodeTunnelAddresses(node)]) {
      const parsed = text === undefined ? undefined : parseCidr(text);
      if (parsed !== undefined) this.#nodesByAddress.set(printAddr(parsed.addr), metadata.name);
    }
  }
}

/** A world that looks each address up once in each set; addresses are told apart by object. `forget` is due when the sets change. */
function remembering(world: World): World & { forget(): void } {
  const known = new Map<SetId, Map<Addr, boolean>>();
  return {
    ...world,
    forget: () => known.clear(),
    setContains: (set, address, protocol, port) => {
      if (protocol !== undefined || port !== undefined) return world.setContains(set, address, protocol, port);
      const answers = known.get(set) ?? new Map<Addr, boolean>();
      known.set(set, answers);
      const answer = answers.get(address) ?? world.setContains(set, address);
      answers.set(address, answer);
      return answer;
    },
  };
}

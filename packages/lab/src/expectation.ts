import type { ResourceUpdate } from '@calico/api';
import { CalcGraph, type LocalEndpoint } from '@calico/calc';
import { applyMessages, emptyState, type NodeState } from '@calico/calc/state';
import { type Addr, cidr, cidrContains, parseAddr, printAddr } from '@calico/ip';
import { evaluate, type Packet, type World } from '@calico/policy';

/** One node's view: the calculation that its agent runs, run here from the same resources. */
interface View {
  readonly calc: CalcGraph;
  readonly state: NodeState;
}

/**
 * What policy says of a connection, without looking at any kernel: the calculation of every node is run from the
 * cluster's resources, and its rule programs are evaluated.
 */
export class Expectation {
  readonly #views = new Map<string, View>();

  constructor(nodes: readonly string[]) {
    for (const nodeName of nodes) this.#views.set(nodeName, { calc: new CalcGraph({ nodeName }), state: emptyState() });
  }

  /** Takes changes of the cluster in. */
  update(updates: readonly ResourceUpdate[]): void {
    for (const { calc } of this.#views.values()) for (const update of updates) calc.update(update);
  }

  /** Says that the whole cluster has been taken in once. */
  inSync(): void {
    for (const { calc } of this.#views.values()) calc.inSync();
  }

  /** Whether a TCP connection is allowed; addresses that are no pod's have no policy of their own. */
  allows(source: string, destination: string, destinationPort: number): boolean {
    const from = parseAddr(source);
    const to = parseAddr(destination);
    if (from === undefined || to === undefined)
      throw new Error(`Cannot judge ${source} → ${destination}: no addresses`);
    // A pod that talks to its own address never leaves its namespace.
    if (printAddr(from) === printAddr(to)) return true;
    const packet: Packet = {
      family: to.family,
      source: from,
      destination: to,
      protocol: 6,
      sourcePort: 40000,
      destinationPort,
    };
    return this.#verdict(from, 'egress', packet) && this.#verdict(to, 'ingress', packet);
  }

  #verdict(owner: Addr, direction: 'ingress' | 'egress', packet: Packet): boolean {
    for (const { calc, state } of this.#views.values()) {
      applyMessages(state, calc.flush());
      const endpoint = [...state.endpoints.values()].find(e => holds(e, owner));
      if (endpoint !== undefined)
        return evaluate(endpoint[direction], direction, worldOf(state), packet).verdict === 'allow';
    }
    return true;
  }
}

function holds(endpoint: LocalEndpoint, address: Addr): boolean {
  const nets = address.family === 4 ? endpoint.ipv4 : endpoint.ipv6;
  return nets.some(net => cidrContains(cidr(net), address));
}

const protocolNames: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

function worldOf(state: NodeState): World {
  return {
    policy: id => state.policies.get(id),
    profile: id => state.profiles.get(id),
    setContains(id, address, protocol, port) {
      const set = state.sets.get(id);
      if (set === undefined) return false;
      if (set.type === 'ipPort') {
        const name = protocol === undefined ? undefined : protocolNames[protocol];
        return set.members.has(`${printAddr(address)},${name}:${port}`);
      }
      return [...set.members].some(member => cidrContains(cidr(member), address));
    },
  };
}

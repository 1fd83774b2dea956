import type { ResourceUpdate } from '@calico/api';
import { CalcGraph } from '../graph.ts';
import { same } from '../same.ts';
import { applyMessages, emptyState, type NodeState } from '../state.ts';

/** One thing that happens to a graph. */
export type Step = ResourceUpdate | 'flush' | 'inSync';

/** The node that all tests calculate for. */
export const NODE = 'node-1';

/** What a graph has said after these steps, everything checked after each flush; it ends with inSync and a flush. */
export function play(steps: readonly Step[], graph = new CalcGraph({ nodeName: NODE })): NodeState {
  const state = emptyState();
  for (const step of [...steps, 'inSync' as const, 'flush' as const]) {
    if (step === 'inSync') graph.inSync();
    else if (step !== 'flush') graph.update(step);
    else {
      applyMessages(state, graph.flush());
      graph.check();
    }
  }
  checkOutput(graph, state);
  return state;
}

/** Throws where the graph says that something else is out than its messages said. */
function checkOutput({ output }: CalcGraph, state: NodeState): void {
  const by = <T>(values: Iterable<T>, key: (value: T) => string) => new Map(Array.from(values, v => [key(v), v]));
  const [config] = output.config;
  const told = plain(state);
  const out = plain({
    sets: new Map(Array.from(output.sets, ({ id, type, members }) => [id, { type, members: new Set(members()) }])),
    policies: by(output.policies, ({ id }) => id),
    profiles: by(output.profiles, ({ id }) => id),
    endpoints: new Map(Array.from(output.endpoints, ({ id, endpoint }) => [id, endpoint])),
    routes: by(output.routes, ({ cidr }) => cidr),
    vteps: by(output.vteps, ({ node }) => node),
    pools: by(output.pools, ({ cidr }) => cidr),
    hosts: by(output.hosts, ({ name }) => name),
    serviceNets: [...output.serviceNets],
    config,
    inSync: state.inSync,
  });
  for (const [part, value] of Object.entries(out)) {
    if (!same(value, told[part])) throw new Error(`Cannot trust output: its ${part} are not what messages said`);
  }
}

/** The last update of each resource, those that are gone left out: the state to which a sequence leads. */
export function squash(updates: readonly ResourceUpdate[]): ResourceUpdate[] {
  const last = new Map(updates.map(update => [keyText(update), update]));
  return [...last.values()].filter(update => update.resource !== undefined);
}

/** Names the resource that an update speaks of. */
export function keyText({ kind, namespace, name }: ResourceUpdate): string {
  return [kind, namespace ?? '', name].join(' ');
}

/** A state as plain sorted data, to be compared and printed. */
export function plain(state: NodeState): Record<string, unknown> {
  const sorted = <V>(map: ReadonlyMap<string, V>) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
  const sets = new Map([...state.sets].map(([id, { type, members }]) => [id, { type, members: [...members].sort() }]));
  return {
    sets: sorted(sets),
    policies: sorted(state.policies),
    profiles: sorted(state.profiles),
    endpoints: sorted(state.endpoints),
    routes: sorted(state.routes),
    vteps: sorted(state.vteps),
    pools: sorted(state.pools),
    hosts: sorted(state.hosts),
    serviceNets: state.serviceNets,
    config: state.config,
    inSync: state.inSync,
  };
}

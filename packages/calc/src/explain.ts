import type { ResourceUpdate, WorkloadEndpoint } from '@calico/api';
import { cidrContains, parseCidr } from '@calico/ip';
import {
  type Direction,
  evaluate,
  type Packet,
  printMatch,
  type RuleStep,
  type TraceStep,
  type Verdict,
} from '@calico/policy';
import { CalcGraph } from './graph.ts';
import type { EndpointId } from './messages.ts';
import { applyMessages, emptyState } from './state.ts';
import { worldOf } from './world.ts';

/** One rule that was asked. */
export interface ExplainedRule {
  readonly index: number;
  readonly action: RuleStep['action'];
  /** What kept it from applying, in words; absent when it applied. */
  readonly unmet?: string;
}

/** One policy, profile or end of a tier that the packet met. */
export interface ExplainedStep {
  readonly kind: TraceStep['kind'];
  readonly tier?: string;
  /** The policy's or profile's name in the rule program. */
  readonly name?: string;
  /** It decides nothing: `outcome` is what it would have said. */
  readonly staged?: boolean;
  readonly outcome: string;
  readonly rules?: readonly ExplainedRule[];
}

/** What the policies of one end say. */
export interface ExplainedDirection {
  readonly direction: Direction;
  readonly endpoint: EndpointId;
  /** The pod, or what else is behind the endpoint, as `namespace/name`. */
  readonly workload: string;
  readonly node: string;
  readonly verdict: Verdict;
  /** In order; the last one decided. */
  readonly steps: readonly ExplainedStep[];
}

/** What policy says of the first packet of a connection, and why. */
export interface Explanation {
  readonly verdict: Verdict;
  /** The source's say, then, where that allows it, the destination's; those of them that are workloads. */
  readonly directions: readonly ExplainedDirection[];
}

/**
 * Says what the policies of a cluster make of a packet: the source's egress on its node, then the destination's ingress on
 * its. `updates` are all resources. What nodes do besides policy (anti-spoofing, tunnels, connections with the node itself) is
 * not asked.
 */
export function explain(updates: readonly ResourceUpdate[], packet: Packet): Explanation {
  const directions: ExplainedDirection[] = [];
  for (const direction of ['egress', 'ingress'] as const) {
    const end = workloadAt(updates, direction === 'egress' ? packet.source : packet.destination);
    if (end === undefined) continue;
    const explained = explainDirection(updates, packet, direction, end);
    directions.push(explained);
    if (explained.verdict === 'deny') break;
  }
  return { verdict: directions.at(-1)?.verdict ?? 'allow', directions };
}

interface Workload {
  readonly id: EndpointId;
  readonly node: string;
}

function workloadAt(updates: readonly ResourceUpdate[], address: Packet['source']): Workload | undefined {
  for (const { kind, namespace, name, resource } of updates) {
    if (kind !== 'WorkloadEndpoint' || resource === undefined) continue;
    const { spec } = resource as WorkloadEndpoint;
    const has = (spec.ipNetworks ?? []).some(text => {
      const net = parseCidr(text);
      return net !== undefined && cidrContains(net, address);
    });
    if (has && spec.node) return { id: `${namespace}/${name}`, node: spec.node };
  }
  return undefined;
}

function explainDirection(
  updates: readonly ResourceUpdate[],
  packet: Packet,
  direction: Direction,
  { id, node }: Workload,
): ExplainedDirection {
  const graph = new CalcGraph({ nodeName: node });
  for (const update of updates) graph.update(update);
  graph.inSync();
  const state = applyMessages(emptyState(), graph.flush());
  const endpoint = state.endpoints.get(id);
  if (endpoint === undefined) throw new Error(`Cannot explain: workload ${id} has no rules on its node ${node}`);
  const { verdict, trace } = evaluate(endpoint[direction], direction, worldOf(state), packet);
  const sets = graph.describeSets();
  const workload = `${endpoint.namespace}/${endpoint.workload}`;
  return { direction, endpoint: id, workload, node, verdict, steps: trace.map(step => explainStep(step, sets)) };
}

function explainStep(step: TraceStep, sets: ReadonlyMap<string, string>): ExplainedStep {
  const { kind, outcome } = step;
  const rules = 'rules' in step ? step.rules.map(rule => explainRule(rule, sets)) : undefined;
  switch (step.kind) {
    case 'policy': {
      const { tier, policy: name, staged } = step;
      return { kind, tier, name, ...(staged ? { staged } : {}), outcome, ...(rules && { rules }) };
    }
    case 'tierEnd':
      return { kind, tier: step.tier, outcome };
    case 'profile':
      return { kind, name: step.profile, outcome, ...(rules && { rules }) };
    case 'end':
      return { kind, outcome };
  }
}

function explainRule({ index, action, mismatch }: RuleStep, sets: ReadonlyMap<string, string>): ExplainedRule {
  if (mismatch === undefined) return { index, action };
  if (mismatch.kind === 'ipVersion') return { index, action, unmet: `IP version is ${mismatch.wanted}` };
  let unmet = printMatch(mismatch);
  for (const [id, words] of sets) unmet = unmet.replace(`set ${id}`, words).replace(id, words);
  return { index, action, unmet };
}

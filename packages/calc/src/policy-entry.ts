import type { GlobalNetworkPolicy, ModelKind, NetworkPolicy } from '@calico/api';
import type { PolicyId } from '@calico/policy';
import type { Selector } from '@calico/selector';
import { InvalidResource } from './invalid.ts';
import { subjectSelector } from './selectors.ts';
import type { SharedText } from './shared-text.ts';
import type { Subject } from './subject.ts';

/** The kinds of the model that are policies, with the first part of their id. */
export const POLICY_KINDS = {
  NetworkPolicy: 'np',
  GlobalNetworkPolicy: 'gnp',
  KubernetesNetworkPolicy: 'knp',
  KubernetesClusterNetworkPolicy: 'kcnp',
  StagedNetworkPolicy: 'snp',
  StagedGlobalNetworkPolicy: 'sgnp',
  StagedKubernetesNetworkPolicy: 'sknp',
} as const satisfies Partial<Record<ModelKind, string>>;

export type PolicyKind = keyof typeof POLICY_KINDS;

const KIND_OF_PREFIX = new Map(Object.entries(POLICY_KINDS).map(([kind, prefix]) => [prefix, kind as PolicyKind]));

/** The name that a policy has in the rule program. */
export function policyId(kind: PolicyKind, namespace: string | undefined, name: string): PolicyId {
  return namespace === undefined ? `${POLICY_KINDS[kind]}/${name}` : `${POLICY_KINDS[kind]}/${namespace}/${name}`;
}

/** What a name of the rule program says of the policy. */
export function readPolicyId(id: PolicyId): { kind: PolicyKind; namespace: string | undefined; name: string } {
  const [prefix = '', ...path] = id.split('/');
  const kind = KIND_OF_PREFIX.get(prefix as (typeof POLICY_KINDS)[PolicyKind]);
  const name = path.pop();
  if (kind === undefined || name === undefined) throw new Error(`Cannot read policy id ${id}: it names no policy`);
  return { kind, namespace: path[0], name };
}

/** On a policy: connections that it no longer allows end at once. */
export const CUT_ANNOTATION = 'projectcalico.org/cut-live-connections';

/** One text for the tier that nearly all policies are in. */
const DEFAULT_TIER = 'default';

/** A policy as it was read. */
export interface PolicyForm {
  readonly tier: string;
  /** Lower comes first; without one, last. */
  readonly order: number;
  /** The endpoints it is for. */
  readonly subject: Selector;
  readonly ingress: boolean;
  readonly egress: boolean;
  /** Wanted on every node, also where it matches no endpoint. */
  readonly everywhere: boolean;
  /** Live connections are held to it: `CUT_ANNOTATION` is `true`. */
  readonly cutsConnections: boolean;
  /** The rules of both directions as JSON. Most policies of a cluster are never active on a node: theirs stay text. */
  readonly rules: string;
}

/**
 * Reads a policy but for its rules. Undefined for one that no workload can meet: staged for deletion, or for host
 * endpoints alone (untracked and pre-DNAT policy). Throws InvalidResource or SelectorError when it cannot be read.
 */
export function readPolicy(
  namespace: string | undefined,
  { metadata, spec }: NetworkPolicy | GlobalNetworkPolicy,
): PolicyForm | undefined {
  if ('stagedAction' in spec && spec.stagedAction === 'Delete') return undefined;
  if (('doNotTrack' in spec && spec.doNotTrack) || ('preDNAT' in spec && spec.preDNAT)) return undefined;
  const { ingress, egress, types, order } = spec;
  if (typeof order === 'number' && Number.isNaN(order)) throw new InvalidResource('Cannot read policy: order is NaN');
  return {
    tier: spec.tier === undefined || spec.tier === '' || spec.tier === DEFAULT_TIER ? DEFAULT_TIER : spec.tier,
    order: order ?? Number.POSITIVE_INFINITY,
    subject: subjectSelector(spec, namespace),
    ingress: types === undefined || types.includes('Ingress'),
    egress: types === undefined || types.includes('Egress'),
    everywhere: spec.performanceHints?.includes('AssumeNeededOnEveryNode') ?? false,
    cutsConnections: metadata.annotations?.[CUT_ANNOTATION]?.toLowerCase() === 'true',
    rules: JSON.stringify({ ingress, egress }),
  };
}

/** A policy of the cluster. Never changed: a changed policy is a new entry. */
export class PolicyEntry {
  readonly id: PolicyId;
  readonly tier: string;
  readonly order: number;
  readonly ingress: boolean;
  readonly egress: boolean;
  readonly everywhere: boolean;
  readonly cutsConnections: boolean;
  readonly subject: Subject;
  /** As in `PolicyForm`. */
  readonly rules: SharedText;
  #tieBreak: string | undefined;

  constructor(id: PolicyId, form: PolicyForm, subject: Subject, rules: SharedText) {
    this.id = id;
    this.tier = form.tier;
    this.order = form.order;
    this.ingress = form.ingress;
    this.egress = form.egress;
    this.everywhere = form.everywhere;
    this.cutsConnections = form.cutsConnections;
    this.subject = subject;
    this.rules = rules;
  }

  /** `<name>/<namespace>/<kind>`: decides between equal orders. */
  get tieBreak(): string {
    if (this.#tieBreak === undefined) {
      const { kind, namespace, name } = readPolicyId(this.id);
      this.#tieBreak = `${name}/${namespace ?? ''}/${kind}`;
    }
    return this.#tieBreak;
  }
}

/** The order of policies within their tier. */
export function compareEntries(a: PolicyEntry, b: PolicyEntry): number {
  if (a === b) return 0;
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  return a.tieBreak < b.tieBreak ? -1 : 1;
}

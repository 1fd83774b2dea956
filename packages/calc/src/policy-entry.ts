import type { GlobalNetworkPolicy, ModelKind, NetworkPolicy, Profile } from '@calico/api';
import type { PolicyId, PolicyProgram, ProfileProgram } from '@calico/policy';
import type { Selector } from '@calico/selector';
import { subjectSelector } from './selectors.ts';
import type { SetDefinition } from './set-definition.ts';
import { translateRules } from './translate-rule.ts';

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

/** A policy as far as it concerns whom it applies to and when. Never changed: a changed policy is a new entry. */
export interface PolicyEntry {
  readonly id: PolicyId;
  readonly tier: string;
  /** Lower comes first; without one, last. */
  readonly order: number;
  /** `<name>/<namespace>/<kind>`: decides between equal orders. */
  readonly tieBreak: string;
  /** The endpoints it is for. */
  readonly subject: Selector;
  /** The id of `subject`: equal for policies that are for the same endpoints. */
  readonly subjectId: string;
  readonly ingress: boolean;
  readonly egress: boolean;
  /** Wanted on every node, also where it matches no endpoint. */
  readonly everywhere: boolean;
  readonly translate: () => Translated<PolicyProgram>;
}

/** A program with the sets that it asks. */
export interface Translated<Program> {
  readonly program: Program;
  readonly sets: ReadonlyMap<string, SetDefinition>;
}

/** The name that a policy has in the rule program. */
export function policyId(kind: PolicyKind, namespace: string | undefined, name: string): PolicyId {
  return [POLICY_KINDS[kind], ...(namespace === undefined ? [] : [namespace]), name].join('/');
}

/**
 * Reads a policy. Undefined for one that no workload can meet: staged for deletion, or for host endpoints alone
 * (untracked and pre-DNAT policy). Throws InvalidResource or SelectorError when it cannot be read.
 */
export function readPolicy(
  kind: PolicyKind,
  namespace: string | undefined,
  name: string,
  policy: NetworkPolicy | GlobalNetworkPolicy,
): PolicyEntry | undefined {
  const { spec } = policy;
  if ('stagedAction' in spec && spec.stagedAction === 'Delete') return undefined;
  if (('doNotTrack' in spec && spec.doNotTrack) || ('preDNAT' in spec && spec.preDNAT)) return undefined;
  const id = policyId(kind, namespace, name);
  const tier = spec.tier || 'default';
  const ingress = spec.types === undefined || spec.types.includes('Ingress');
  const egress = spec.types === undefined || spec.types.includes('Egress');
  const translate = (): Translated<PolicyProgram> => {
    const sets = new Map<string, SetDefinition>();
    const program = {
      id,
      tier,
      staged: kind.startsWith('Staged'),
      ingress: ingress ? translateRules(spec.ingress, namespace, sets) : [],
      egress: egress ? translateRules(spec.egress, namespace, sets) : [],
    };
    return { program, sets };
  };
  translate();
  const subject = subjectSelector(spec, namespace);
  return {
    id,
    tier,
    order: spec.order ?? Number.POSITIVE_INFINITY,
    tieBreak: `${name}/${namespace ?? ''}/${kind}`,
    subject,
    subjectId: subject.id,
    ingress,
    egress,
    everywhere: spec.performanceHints?.includes('AssumeNeededOnEveryNode') ?? false,
    translate,
  };
}

/** Translates a profile's rules. Throws InvalidResource or SelectorError when it cannot be read. */
export function translateProfile(name: string, profile: Profile): Translated<ProfileProgram> {
  const sets = new Map<string, SetDefinition>();
  const ingress = translateRules(profile.spec.ingress, undefined, sets);
  const egress = translateRules(profile.spec.egress, undefined, sets);
  return { program: { id: name, ingress, egress }, sets };
}

/** What stands for a profile that is named but does not exist: it denies everything both ways. */
export function missingProfile(name: string): Translated<ProfileProgram> {
  const deny = [{ index: 0, action: 'deny' as const, matches: [] }];
  return { program: { id: name, ingress: deny, egress: deny }, sets: new Map() };
}

/** The order of policies within their tier. */
export function compareEntries(a: PolicyEntry, b: PolicyEntry): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  if (a.tieBreak === b.tieBreak) return 0;
  return a.tieBreak < b.tieBreak ? -1 : 1;
}

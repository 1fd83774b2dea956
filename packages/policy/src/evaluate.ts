import { findMismatch, type Mismatch, type Sets } from './match.ts';
import type {
  Action,
  Direction,
  DirectionProgram,
  Packet,
  PolicyId,
  PolicyProgram,
  ProfileProgram,
  Rule,
  TierProgram,
} from './program.ts';

export type Verdict = 'allow' | 'deny';

/** The programs and sets that a DirectionProgram names. */
export interface World extends Sets {
  policy(id: PolicyId): PolicyProgram | undefined;
  profile(id: string): ProfileProgram | undefined;
}

/** One rule that was asked. */
export interface RuleStep {
  readonly index: number;
  readonly action: Action;
  /** Absent when the rule applied. */
  readonly mismatch?: Mismatch;
}

/** What a list of rules said: the action of the first rule that applied and was not `log`. */
export type Outcome = 'allow' | 'deny' | 'pass' | 'none';

/** One stop on the packet's way. */
export type TraceStep =
  | {
      readonly kind: 'policy';
      readonly tier: string;
      readonly policy: PolicyId;
      /** A staged policy's outcome decides nothing: it is what the policy would have said. */
      readonly staged: boolean;
      readonly rules: readonly RuleStep[];
      readonly outcome: Outcome;
    }
  | {
      readonly kind: 'tierEnd';
      readonly tier: string;
      /** `pass` goes on to the next tier. */
      readonly outcome: 'deny' | 'pass';
      readonly reason: 'defaultAction' | 'allStaged';
    }
  | {
      readonly kind: 'profile';
      readonly profile: string;
      readonly rules: readonly RuleStep[];
      readonly outcome: Outcome;
    }
  /** No tier and no profile decided. */
  | { readonly kind: 'end'; readonly outcome: 'deny' };

export interface Evaluation {
  readonly verdict: Verdict;
  /** Every policy, profile and end of a tier that the packet met, in order; the last step decided. */
  readonly trace: readonly TraceStep[];
}

/**
 * Says what becomes of the first packet of a connection, and why. Tiers are asked in order, in each its policies, in
 * each its rules: allow and deny decide, pass leaves the tier, log goes on. At the end of a tier its default action
 * counts unless all its policies are staged. Then the profiles are asked in order (pass leaves the profile); a packet
 * that nothing decided is denied.
 * Throws when the program names a policy or profile that `world` does not know.
 */
export function evaluate(program: DirectionProgram, direction: Direction, world: World, packet: Packet): Evaluation {
  const trace: TraceStep[] = [];
  for (const tier of program.tiers) {
    const outcome = evaluateTier(tier, direction, world, packet, trace);
    if (outcome !== 'pass') return { verdict: outcome, trace };
  }
  for (const id of program.profiles) {
    const profile = world.profile(id);
    if (profile === undefined) throw new Error(`Cannot evaluate profile "${id}": it is unknown`);
    const step = evaluateRules(profile[direction], world, packet);
    trace.push({ kind: 'profile', profile: id, ...step });
    if (step.outcome === 'allow' || step.outcome === 'deny') return { verdict: step.outcome, trace };
  }
  trace.push({ kind: 'end', outcome: 'deny' });
  return { verdict: 'deny', trace };
}

/** Asks a tier's policies; `pass` means that the next tier is to be asked. */
function evaluateTier(
  tier: TierProgram,
  direction: Direction,
  world: World,
  packet: Packet,
  trace: TraceStep[],
): Verdict | 'pass' {
  let allStaged = true;
  for (const id of tier.policies) {
    const policy = world.policy(id);
    if (policy === undefined) throw new Error(`Cannot evaluate policy "${id}": it is unknown`);
    const step = evaluateRules(policy[direction], world, packet);
    trace.push({ kind: 'policy', tier: tier.name, policy: id, staged: policy.staged, ...step });
    if (policy.staged) continue;
    allStaged = false;
    if (step.outcome !== 'none') return step.outcome;
  }
  const outcome = allStaged ? 'pass' : tier.defaultAction;
  trace.push({ kind: 'tierEnd', tier: tier.name, outcome, reason: allStaged ? 'allStaged' : 'defaultAction' });
  return outcome;
}

function evaluateRules(
  rules: readonly Rule[],
  world: World,
  packet: Packet,
): { rules: readonly RuleStep[]; outcome: Outcome } {
  const steps: RuleStep[] = [];
  for (const rule of rules) {
    const { index, action } = rule;
    const mismatch = findMismatch(rule, packet, world);
    steps.push(mismatch === undefined ? { index, action } : { index, action, mismatch });
    if (mismatch === undefined && action !== 'log') return { rules: steps, outcome: action };
  }
  return { rules: steps, outcome: 'none' };
}

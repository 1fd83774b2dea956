import type { Profile, Rule } from '@calico/api';
import type { PolicyProgram, ProfileProgram } from '@calico/policy';
import { type PolicyEntry, readPolicyId } from './policy-entry.ts';
import type { SetDefinition } from './set-definition.ts';
import { translateRules } from './translate-rule.ts';

/** A program with the sets that it asks. */
export interface Translated<Program> {
  readonly program: Program;
  readonly sets: ReadonlyMap<string, SetDefinition>;
}

/** The rules of both directions as a policy or profile has them. */
interface Rules {
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

/** Translates a policy's rules. Throws InvalidResource or SelectorError when they cannot be read. */
export function translatePolicy({
  id,
  tier,
  cutsConnections,
  rules,
  ingress,
  egress,
}: PolicyEntry): Translated<PolicyProgram> {
  const { kind, namespace } = readPolicyId(id);
  const read = JSON.parse(rules.text) as Rules;
  const sets = new Map<string, SetDefinition>();
  const program = {
    id,
    tier,
    staged: kind.startsWith('Staged'),
    ...(cutsConnections ? { cutsConnections: true as const } : {}),
    ingress: ingress ? translateRules(read.ingress, namespace, sets) : [],
    egress: egress ? translateRules(read.egress, namespace, sets) : [],
  };
  return { program, sets };
}

/** A profile's rules as text, for `translateProfile`. */
export function profileRules({ spec }: Profile): string {
  return JSON.stringify({ ingress: spec.ingress, egress: spec.egress });
}

/** Translates a profile's rules. Throws InvalidResource or SelectorError when they cannot be read. */
export function translateProfile(name: string, rules: string): Translated<ProfileProgram> {
  const read = JSON.parse(rules) as Rules;
  const sets = new Map<string, SetDefinition>();
  const ingress = translateRules(read.ingress, undefined, sets);
  const egress = translateRules(read.egress, undefined, sets);
  return { program: { id: name, ingress, egress }, sets };
}

/** What stands for a profile that is named but does not exist: it denies everything both ways. */
export function missingProfile(name: string): Translated<ProfileProgram> {
  const deny = [{ index: 0, action: 'deny' as const, matches: [] }];
  return { program: { id: name, ingress: deny, egress: deny }, sets: new Map() };
}

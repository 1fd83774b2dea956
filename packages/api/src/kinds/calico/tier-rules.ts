import type { FieldErrors } from '../../field-error.ts';
import type { Tier } from './tier.ts';

/** The tiers that every cluster has: their order and default action are fixed. */
export const BUILT_IN_TIERS: {
  readonly [name: string]: { readonly order: number; readonly defaultAction: 'Deny' | 'Pass' };
} = {
  'kube-admin': { order: 1000, defaultAction: 'Pass' },
  default: { order: 1_000_000, defaultAction: 'Deny' },
  'kube-baseline': { order: 10_000_000, defaultAction: 'Pass' },
};

/** Built-in tiers keep their order and action. */
export function tierRules(tier: Tier, errors: FieldErrors): void {
  const fixed = Object.hasOwn(BUILT_IN_TIERS, tier.metadata.name) ? BUILT_IN_TIERS[tier.metadata.name] : undefined;
  if (fixed === undefined) return;
  const { order, defaultAction } = tier.spec;
  if (order !== fixed.order) {
    errors.invalid('spec.order', order, `must be ${fixed.order} for the built-in tier "${tier.metadata.name}"`);
  }
  if (defaultAction !== fixed.defaultAction) {
    errors.invalid(
      'spec.defaultAction',
      defaultAction,
      `must be "${fixed.defaultAction}" for the built-in tier "${tier.metadata.name}"`,
    );
  }
}

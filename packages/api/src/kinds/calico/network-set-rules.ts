import { heading, joinCut } from '../../columns.ts';
import type { FieldErrors } from '../../field-error.ts';
import type { CalicoctlTable } from '../../kind.ts';
import type { Resource } from '../../resource.ts';

type AnySet = Resource<{ nets?: string[] }>;

/** The namespace label is Calico's own: a set may not carry it. */
export function networkSetRules(set: AnySet, errors: FieldErrors): void {
  const label = 'projectcalico.org/namespace';
  if (set.metadata.labels?.[label] !== undefined) {
    errors.forbidden(
      `metadata.labels[${label}]`,
      set.metadata.labels[label],
      'this label is set by Calico; allowed: any other label',
    );
  }
}

/** calicoctl's table of both kinds of network sets. */
export function networkSetTable<R extends AnySet>(): CalicoctlTable<R> {
  const name = heading<R>('NAME', set => set.metadata.name);
  return { narrow: [name], wide: [name, heading('NETS', set => joinCut(set.spec.nets ?? []))] };
}

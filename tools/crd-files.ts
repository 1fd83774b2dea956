/** The files of manifests/crds, made from the declarations of the kinds. */
import { type CrdGroup, crdOf, hasCrd, kinds } from '@calico/api';
import { stringify } from 'yaml';

const GROUPS: readonly CrdGroup[] = [
  'projectcalico.org/v3',
  'crd.projectcalico.org/v1',
  'policy.networking.k8s.io/v1alpha2',
];

/** Name and text of every file; the first line tells the command that made it. */
export function crdFiles(): { readonly name: string; readonly text: string }[] {
  return GROUPS.map(group => {
    const documents = kinds
      .filter(kind => hasCrd(kind, group))
      .map(kind => stringify(crdOf(kind, group), { lineWidth: 0, aliasDuplicateObjects: false }));
    return {
      name: `${group.replace('/', '_')}.yaml`,
      text: ['# bun tools/generate-crds.ts\n', ...documents].join('---\n'),
    };
  });
}

/** Our CustomResourceDefinitions beside those of Calico: the same, but for the differences that are listed. */
import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { crdFiles } from '../../tools/crd-files.ts';
import { DIFFERENCES, type Difference } from './differences.ts';
import { type Facts, factsOf } from './facts.ts';

const folder = new URL('../../../shared/reference/crds/', import.meta.url);
const there = existsSync(folder);
const FILES = ['projectcalico.org_v3.yaml', 'crd.projectcalico.org_v1.yaml'];
/** Groups whose definitions come with the reference and are not ours to make here. */
const OTHERS = 'operator.tigera.io';

interface Named {
  readonly kind?: string;
  readonly spec?: { readonly group?: string; readonly names?: { readonly kind?: string } };
}

/** The facts of every definition by `<group>/<kind>`. */
function definitions(texts: readonly string[]): Map<string, Facts> {
  const found = new Map<string, Facts>();
  for (const document of texts.flatMap(text => parseAllDocuments(text))) {
    const crd: Named | null = document.toJS();
    if (crd?.kind !== 'CustomResourceDefinition' || crd.spec?.group === OTHERS) continue;
    found.set(`${crd.spec?.group}/${crd.spec?.names?.kind}`, factsOf(crd));
  }
  return found;
}

const ours = definitions(crdFiles().map(({ text }) => text));
const theirs = definitions(there ? FILES.map(name => readFileSync(new URL(name, folder), 'utf8')) : []);

/** Every fact that differs, as `<place> <fact>: <ours>, reference <theirs>`. */
function compared(id: string): { readonly fact: string; readonly text: string }[] {
  const [own, reference] = [ours.get(id) ?? new Map(), theirs.get(id) ?? new Map()];
  return [...new Set([...own.keys(), ...reference.keys()])]
    .filter(fact => own.get(fact) !== reference.get(fact))
    .sort()
    .map(fact => ({
      fact,
      text: `${fact}: ${own.get(fact) ?? 'absent'}, reference ${reference.get(fact) ?? 'absent'}`,
    }));
}

const kindOf = (id: string): string => id.slice(id.indexOf('/') + 1);
const groupOf = (id: string): string => id.slice(0, id.indexOf('/'));
const covers = ({ kinds, group, facts }: Difference, id: string, fact: string): boolean =>
  (kinds?.includes(kindOf(id)) ?? true) && (group ?? groupOf(id)) === groupOf(id) && facts.test(fact);

describe.skipIf(!there)('beside the reference (skipped where ../shared/reference/crds is absent)', () => {
  test('the same kinds have definitions', () => {
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
  });

  test.each([...ours.keys()])('%s differs only where that is meant', id => {
    const unmeant = compared(id).filter(({ fact }) => !DIFFERENCES.some(difference => covers(difference, id, fact)));
    expect(unmeant.map(({ text }) => text)).toEqual([]);
  });

  test.each(DIFFERENCES.map(difference => ({ name: String(difference.facts), difference })))(
    'the listed difference $name is there',
    ({ difference }) => {
      const used = [...ours.keys()].some(id => compared(id).some(({ fact }) => covers(difference, id, fact)));
      expect(used).toBe(true);
    },
  );
});

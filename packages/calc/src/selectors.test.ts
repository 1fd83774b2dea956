import { describe, expect, test } from 'bun:test';
import type { EntityRule } from '@calico/api';
import { parseSelector } from '@calico/selector';
import { entitySelectors, type SubjectSpec, subjectSelector } from './selectors.ts';

const normal = (text: string) => parseSelector(text).text;

describe('subjectSelector', () => {
  const cases: readonly { name: string; spec: SubjectSpec; namespace?: string; want: string }[] = [
    { name: 'means everything without selectors', spec: {}, want: 'all()' },
    { name: 'keeps a global selector', spec: { selector: "a == 'b'" }, want: "a == 'b'" },
    { name: 'keeps all() of a global policy', spec: { selector: 'all()' }, want: 'all()' },
    {
      name: 'stays within the namespace',
      spec: { selector: "a == 'b'" },
      namespace: 'shop',
      want: "projectcalico.org/namespace == 'shop' && a == 'b'",
    },
    {
      name: 'means the whole namespace without selector',
      spec: {},
      namespace: 'shop',
      want: "projectcalico.org/namespace == 'shop'",
    },
    {
      name: 'adds service accounts within the namespace',
      spec: { selector: 'has(a)', serviceAccountSelector: "role == 'x'" },
      namespace: 'shop',
      want: "projectcalico.org/namespace == 'shop' && has(a) && pcsa.role == 'x'",
    },
    {
      name: 'asks for labels of namespaces',
      spec: { selector: 'has(a)', namespaceSelector: "env in {'prod'} || !has(x)" },
      want: "has(a) && (pcns.env in {'prod'} || !has(pcns.x))",
    },
    {
      name: 'takes all() as everything in a namespace where namespaces are asked for',
      spec: { selector: 'all()', namespaceSelector: 'all()' },
      want: 'has(projectcalico.org/namespace) && has(projectcalico.org/namespace)',
    },
    {
      name: 'takes all() as everything with a service account where those are asked for',
      spec: { selector: 'all()', serviceAccountSelector: 'has(x)' },
      want: 'has(projectcalico.org/serviceaccount) && has(pcsa.x)',
    },
  ];
  for (const { name, spec, namespace, want } of cases) {
    test(name, () => expect(subjectSelector(spec, namespace).text).toBe(normal(want)));
  }
});

describe('entitySelectors', () => {
  const inShop = "projectcalico.org/namespace == 'shop'";
  const cases: readonly {
    name: string;
    entity: EntityRule;
    namespace?: string;
    positive?: string;
    negative?: string;
  }[] = [
    { name: 'asks nothing of an empty entity', entity: {}, namespace: 'shop' },
    { name: 'asks nothing of nets', entity: { nets: ['10.0.0.0/8'] }, namespace: 'shop' },
    { name: 'keeps a global selector', entity: { selector: 'has(a)' }, positive: 'has(a)' },
    {
      name: 'keeps a selector in its namespace',
      entity: { selector: 'has(a)' },
      namespace: 'shop',
      positive: `${inShop} && has(a)`,
    },
    { name: 'leaves a lone notSelector negative', entity: { notSelector: 'has(a)' }, negative: 'has(a)' },
    {
      name: 'folds notSelector into the namespace',
      entity: { notSelector: 'has(a)' },
      namespace: 'shop',
      positive: `${inShop} && !has(a)`,
    },
    {
      name: 'folds notSelector into the selector',
      entity: { selector: 'has(a)', notSelector: 'has(b)' },
      positive: 'has(a) && !has(b)',
    },
    {
      name: 'looks into other namespaces',
      entity: { selector: 'has(a)', namespaceSelector: "env == 'x'" },
      namespace: 'shop',
      positive: "pcns.env == 'x' && has(a)",
    },
    {
      name: 'takes all() of namespaces as anything that has one',
      entity: { namespaceSelector: 'all()' },
      namespace: 'shop',
      positive: 'has(projectcalico.org/namespace)',
    },
    {
      name: 'takes global() as what has no namespace',
      entity: { selector: 'has(a)', namespaceSelector: 'global()' },
      namespace: 'shop',
      positive: '!has(projectcalico.org/namespace) && has(a)',
    },
    {
      name: 'asks for service accounts by name',
      entity: { serviceAccounts: { names: ['b', 'a'] } },
      namespace: 'shop',
      positive: `${inShop} && projectcalico.org/serviceaccount in {'a', 'b'}`,
    },
    {
      name: 'asks for service accounts by label and name, and selector',
      entity: { serviceAccounts: { names: ['a'], selector: 'has(x)' }, selector: 'has(c)' },
      positive: "(has(pcsa.x) && projectcalico.org/serviceaccount in {'a'}) && has(c)",
    },
  ];
  for (const { name, entity, namespace, positive, negative } of cases) {
    test(name, () => {
      const got = entitySelectors(entity, namespace);
      expect(got.positive?.text).toBe(positive === undefined ? undefined : normal(positive));
      expect(got.negative?.text).toBe(negative === undefined ? undefined : normal(negative));
    });
  }

  test('refuses a selector that cannot be read', () => {
    expect(() => entitySelectors({ selector: 'a ==' }, undefined)).toThrow();
  });
});

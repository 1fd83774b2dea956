import { expect, test } from 'bun:test';
import { BlockAffinity } from '../kinds/calico/block-affinity.ts';
import { GlobalNetworkPolicy } from '../kinds/calico/global-network-policy.ts';
import { IPPool } from '../kinds/calico/ip-pool.ts';
import { IPAMConfiguration } from '../kinds/calico/ipam-configuration.ts';
import { kinds } from '../kinds/registry.ts';
import { isObject } from '../schema/node.ts';
import { type CrdGroup, crdOf, hasCrd } from './crd.ts';

function spec(kind: Parameters<typeof crdOf>[0], group: CrdGroup): Record<string, unknown> {
  const { properties } = crdOf(kind, group).spec.versions[0].schema.openAPIV3Schema;
  const found = isObject(properties) && isObject(properties.spec) ? properties.spec.properties : undefined;
  return isObject(found) ? found : {};
}

test('names, scope, columns and subresources of a pool', () => {
  const { metadata, spec: definition } = crdOf(IPPool, 'projectcalico.org/v3');
  const [version] = definition.versions;
  expect(metadata.name).toBe('ippools.projectcalico.org');
  expect(definition.names).toEqual({ kind: 'IPPool', listKind: 'IPPoolList', plural: 'ippools', singular: 'ippool' });
  expect(definition.scope).toBe('Cluster');
  expect(version.subresources).toEqual({ status: {} });
  expect(version.additionalPrinterColumns?.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'CIDR string',
    'VXLAN string',
    'IPIP string',
    'NAT boolean',
    'Allocatable string',
    'Age date',
  ]);
});

test('policies can be selected by tier, in the group v3 alone', () => {
  const fields = (group: CrdGroup) => crdOf(GlobalNetworkPolicy, group).spec.versions[0].selectableFields;
  expect(fields('projectcalico.org/v3')).toEqual([{ jsonPath: '.spec.tier' }]);
  expect(fields('crd.projectcalico.org/v1')).toBeUndefined();
});

test('the older group has names and types of its own', () => {
  const { names } = crdOf(IPAMConfiguration, 'crd.projectcalico.org/v1').spec;
  expect(names).toEqual({
    kind: 'IPAMConfig',
    listKind: 'IPAMConfigList',
    plural: 'ipamconfigs',
    singular: 'ipamconfig',
  });
  expect(spec(BlockAffinity, 'crd.projectcalico.org/v1').deleted).toMatchObject({ type: 'string' });
  expect(spec(BlockAffinity, 'projectcalico.org/v3').deleted).toMatchObject({ type: 'boolean', default: false });
});

test('no definition says what API servers do not know', () => {
  const known =
    /^(x-kubernetes-(int-or-string|preserve-unknown-fields|list-type|list-map-keys|map-type|validations)|anyOf)$/;
  for (const group of ['projectcalico.org/v3', 'crd.projectcalico.org/v1'] as const) {
    for (const kind of kinds.filter(candidate => hasCrd(candidate, group))) {
      const text = JSON.stringify(crdOf(kind, group));
      for (const [, keyword = ''] of text.matchAll(/"(x-[a-z-]+|anyOf|oneOf)":/g)) expect(keyword).toMatch(known);
    }
  }
});

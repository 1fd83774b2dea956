import { expect, test } from 'bun:test';
import { unsupportedFields } from './unsupported.ts';

test.each([
  ['a plain policy', { selector: 'all()', ingress: [{ action: 'Allow', protocol: 'TCP' }] }, []],
  ['host fields that are off', { doNotTrack: false, applyOnForward: false }, []],
  ['untracked policy', { doNotTrack: true, applyOnForward: true }, ['spec.doNotTrack', 'spec.applyOnForward']],
  ['policy before NAT', { preDNAT: true }, ['spec.preDNAT']],
  [
    'an HTTP match',
    { ingress: [{ action: 'Deny' }, { action: 'Allow', http: { methods: ['GET'] } }] },
    ['spec.ingress[1].http'],
  ],
] as const)('%s', (_, spec, paths) => {
  expect(unsupportedFields({ kind: 'GlobalNetworkPolicy', spec }).map(error => error.path)).toEqual([...paths]);
});

test('nothing of a HostEndpoint is enforced, a ClusterNetworkPolicy is', () => {
  const paths = (kind: string) => unsupportedFields({ kind, spec: {} }).map(error => [error.path, error.value]);
  expect(paths('HostEndpoint')).toEqual([['kind', 'HostEndpoint']]);
  expect(paths('ClusterNetworkPolicy')).toEqual([]);
});

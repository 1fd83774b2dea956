import { expect, test } from 'bun:test';
import { affinityName, blockName, hostnameHash } from '@calico/datastore';
import { cidr } from '@calico/ip';
import { affinityLabels, handleName } from './names.ts';

test.each([
  ['10.0.0.0/26', '10-0-0-0-26'],
  ['fd00::/122', 'fd00---122'],
  ['192.168.1.64/32', '192-168-1-64-32'],
])('blockName of %s is %s', (text, name) => {
  expect(blockName(cidr(text))).toBe(name);
});

test('affinityName joins host and block', () => {
  expect(affinityName('node-a', cidr('10.0.0.0/26'))).toBe('node-a-10-0-0-0-26');
});

test('affinityName stays below the limit and apart for long hosts', () => {
  const [a, b] = ['a', 'b'].map(end => affinityName(`${'n'.repeat(252)}${end}`, cidr('10.0.0.0/26')));
  expect(a?.length).toBe(252);
  expect(a).toMatch(/^n{228}-10-0-0-0-26-[0-9a-f]{11}$/);
  expect(a).not.toBe(b);
  const longestPlain = affinityName('n'.repeat(240), cidr('10.0.0.0/26'));
  expect(longestPlain).toBe(`${'n'.repeat(240)}-10-0-0-0-26`);
});

test('handleName is the handle in lower case', () => {
  expect(handleName('k8s-pod-network.ABC')).toBe('k8s-pod-network.abc');
});

test('hostnameHash is the SHA3-256 in base32 without padding', () => {
  expect(hostnameHash('node-a')).toBe('PY3TQE2E3XMTETLM2MJO3UITKPFB27YUJ4T4E5XGPEJON3SM4QAA');
});

test('affinityLabels name host, type and family', () => {
  expect(affinityLabels({ type: 'virtual', name: 'load-balancer' }, 6)).toEqual({
    'projectcalico.org/hostname-hash': hostnameHash('load-balancer'),
    'projectcalico.org/affinity-type': 'virtual',
    'projectcalico.org/ip-version': '6',
  });
});

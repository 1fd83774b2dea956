import { expect, test } from 'bun:test';
import { untyped, validationCases } from '../../testing.ts';
import { IPPool } from './ip-pool.ts';

test('a pool gets the modes, uses, selector and block size of its family', () => {
  const v4 = IPPool.default({ ...IPPool.example(), spec: { cidr: '10.0.0.0/16' } });
  expect(v4.spec).toEqual({
    cidr: '10.0.0.0/16',
    nodeSelector: 'all()',
    assignmentMode: 'Automatic',
    vxlanMode: 'Never',
    ipipMode: 'Never',
    allowedUses: ['Workload', 'Tunnel'],
    blockSize: 26,
  });
  const v6 = IPPool.default({ ...IPPool.example(), spec: { cidr: 'FD00:0::/48' } });
  expect(v6.spec.blockSize).toBe(122);
  expect(v6.spec.cidr).toBe('fd00::/48');
});

test.each(
  validationCases<IPPool>(
    IPPool,
    [
      { name: 'the example', change: () => {} },
      {
        name: 'an IPv6 pool over VXLAN',
        change: p => Object.assign(p.spec, { cidr: 'fd00:10::/64', vxlanMode: 'Always' }),
      },
      {
        name: 'IP in IP for IPv4',
        change: p => Object.assign(p.spec, { vxlanMode: 'Never', ipipMode: 'CrossSubnet' }),
      },
      { name: 'a pool of one block', change: p => Object.assign(p.spec, { cidr: '10.0.0.0/28', blockSize: 28 }) },
      {
        name: 'a disabled pool smaller than a block',
        change: p => Object.assign(p.spec, { cidr: '10.0.0.0/30', disabled: true }),
      },
      {
        name: 'a namespace selector for workloads alone',
        change: p => Object.assign(p.spec, { allowedUses: ['Workload'], namespaceSelector: "team == 'a'" }),
      },
      {
        name: 'load balancer addresses',
        change: p => Object.assign(p.spec, { allowedUses: ['LoadBalancer'], vxlanMode: 'Never' }),
      },
      {
        name: 'the same CIDR in another spelling',
        change: p => Object.assign(p.spec, { cidr: '10.244.0.0/16' }),
        old: () => {},
      },
      { name: 'a new mode on update', change: p => Object.assign(p.spec, { vxlanMode: 'CrossSubnet' }), old: () => {} },
    ],
    [
      {
        name: 'no CIDR',
        change: p => Reflect.deleteProperty(p.spec, 'cidr'),
        path: 'spec.cidr',
        allowed: 'must be a string',
      },
      {
        name: 'text that is no CIDR',
        change: p => (p.spec.cidr = 'ten/8'),
        path: 'spec.cidr',
        value: 'ten/8',
        allowed: '"10.0.0.0/16"',
      },
      {
        name: 'a bare address',
        change: p => (p.spec.cidr = '10.0.0.1'),
        path: 'spec.cidr',
        value: '10.0.0.1',
        allowed: 'a CIDR',
      },
      {
        name: 'host bits',
        change: p => (p.spec.cidr = '10.0.0.1/16'),
        path: 'spec.cidr',
        value: '10.0.0.1/16',
        allowed: 'host bits must be zero, as in "10.0.0.0/16"',
      },
      {
        name: 'a link-local range',
        change: p => (p.spec.cidr = '169.254.0.0/24'),
        path: 'spec.cidr',
        value: '169.254.0.0/24',
        allowed: '169.254.0.0/16',
      },
      {
        name: 'what holds a link-local range',
        change: p => Object.assign(p.spec, { cidr: 'fe00::/8', vxlanMode: 'Never' }),
        path: 'spec.cidr',
        value: 'fe00::/8',
        allowed: 'fe80::/10',
      },
      {
        name: 'a mode that is none',
        change: p => (p.spec.vxlanMode = untyped('always')),
        path: 'spec.vxlanMode',
        value: 'always',
        allowed: '"Never", "Always", "CrossSubnet"',
      },
      {
        name: 'two encapsulations',
        change: p => (p.spec.ipipMode = 'Always'),
        path: 'spec.ipipMode',
        value: 'Always',
        allowed: '"Never"',
      },
      {
        name: 'IP in IP for IPv6',
        change: p => Object.assign(p.spec, { cidr: 'fd00::/64', vxlanMode: 'Never', ipipMode: 'Always' }),
        path: 'spec.ipipMode',
        value: 'Always',
        allowed: 'must be "Never" for an IPv6 pool',
      },
      {
        name: 'an IPv4 block too large',
        change: p => (p.spec.blockSize = 19),
        path: 'spec.blockSize',
        value: 19,
        allowed: 'from 20 to 32',
      },
      {
        name: 'an IPv6 block too large',
        change: p => Object.assign(p.spec, { cidr: 'fd00::/64', blockSize: 64 }),
        path: 'spec.blockSize',
        value: 64,
        allowed: 'from 116 to 128',
      },
      {
        name: 'a block size beyond any',
        change: p => (p.spec.blockSize = 129),
        path: 'spec.blockSize',
        value: 129,
        allowed: 'from 0 to 128',
      },
      {
        name: 'a pool smaller than a block',
        change: p => (p.spec.cidr = '10.0.0.0/27'),
        path: 'spec.cidr',
        value: '10.0.0.0/27',
        allowed: 'at most 26',
      },
      {
        name: 'a selector that does not parse',
        change: p => (p.spec.nodeSelector = 'rack =='),
        path: 'spec.nodeSelector',
        value: 'rack ==',
        allowed: 'must be a selector',
      },
      {
        name: 'global() for nodes',
        change: p => (p.spec.nodeSelector = 'global()'),
        path: 'spec.nodeSelector',
        value: 'global()',
        allowed: 'without global()',
      },
      {
        name: 'a namespace selector beside tunnels',
        change: p => (p.spec.namespaceSelector = "team == 'a'"),
        path: 'spec.namespaceSelector',
        value: "team == 'a'",
        allowed: 'allowedUses is given without "Tunnel"',
      },
      {
        name: 'a use twice',
        change: p => (p.spec.allowedUses = ['Workload', 'Workload']),
        path: 'spec.allowedUses[1]',
        value: 'Workload',
        allowed: 'only once',
      },
      {
        name: 'load balancers beside workloads',
        change: p => Object.assign(p.spec, { vxlanMode: 'Never', allowedUses: ['LoadBalancer', 'Workload'] }),
        path: 'spec.allowedUses',
        value: ['LoadBalancer', 'Workload'],
        allowed: 'cannot be combined',
      },
      {
        name: 'encapsulated load balancers',
        change: p => Object.assign(p.spec, { allowedUses: ['LoadBalancer'] }),
        path: 'spec.vxlanMode',
        value: 'Always',
        allowed: '"Never"',
      },
      {
        name: 'load balancers for some nodes',
        change: p =>
          Object.assign(p.spec, { vxlanMode: 'Never', allowedUses: ['LoadBalancer'], nodeSelector: "a == 'b'" }),
        path: 'spec.nodeSelector',
        value: "a == 'b'",
        allowed: '"all()"',
      },
      {
        name: 'load balancers kept from BGP',
        change: p =>
          Object.assign(p.spec, { vxlanMode: 'Never', allowedUses: ['LoadBalancer'], disableBGPExport: true }),
        path: 'spec.disableBGPExport',
        value: true,
        allowed: 'must be false',
      },
      {
        name: 'another CIDR on update',
        change: p => (p.spec.cidr = '10.245.0.0/16'),
        old: () => {},
        path: 'spec.cidr',
        value: '10.245.0.0/16',
        allowed: 'cannot be changed; it is "10.244.0.0/16"',
      },
      {
        name: 'another block size on update',
        change: p => (p.spec.blockSize = 27),
        old: () => {},
        path: 'spec.blockSize',
        value: 27,
        allowed: 'cannot be changed; it is 26',
      },
      {
        name: 'load balancer addresses for workloads later',
        change: p => (p.spec.vxlanMode = 'Never'),
        old: p => Object.assign(p.spec, { vxlanMode: 'Never', allowedUses: ['LoadBalancer'] }),
        path: 'spec.allowedUses',
        value: ['Workload', 'Tunnel'],
        allowed: 'it is ["LoadBalancer"]',
      },
      {
        name: 'a namespace',
        change: p => (p.metadata.namespace = 'a'),
        path: 'metadata.namespace',
        value: 'a',
        allowed: 'in no namespace',
      },
    ],
  ),
)('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});

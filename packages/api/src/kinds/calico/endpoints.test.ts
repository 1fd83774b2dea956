import { expect, test } from 'bun:test';
import { validationCases } from '../../testing.ts';
import { HostEndpoint } from './host-endpoint.ts';
import { Profile } from './profile.ts';
import { WorkloadEndpoint } from './workload-endpoint.ts';

test.each([
  ...validationCases<HostEndpoint>(
    HostEndpoint,
    [
      { name: 'the example', change: () => {} },
      { name: 'all interfaces', change: e => (e.spec = { node: 'a', interfaceName: '*' }) },
      { name: 'addresses alone', change: e => (e.spec = { node: 'a', expectedIPs: ['fd00::1'] }) },
    ],
    [
      { name: 'no node', change: e => (e.spec = { interfaceName: 'eth0' }), path: 'spec.node', allowed: 'the node' },
      {
        name: 'nothing to find it by',
        change: e => (e.spec = { node: 'a' }),
        path: 'spec.interfaceName',
        allowed: 'at least one address',
      },
      {
        name: 'a long interface',
        change: e => (e.spec.interfaceName = 'x'.repeat(16)),
        path: 'spec.interfaceName',
        value: 'x'.repeat(16),
        allowed: 'at most 15',
      },
      {
        name: 'a CIDR as address',
        change: e => (e.spec.expectedIPs = ['10.0.0.0/8']),
        path: 'spec.expectedIPs[0]',
        value: '10.0.0.0/8',
        allowed: 'an IP address',
      },
      {
        name: 'a port of ICMP',
        change: e => (e.spec.ports = [{ name: 'a', protocol: 'ICMP', port: 1 }]),
        path: 'spec.ports[0].protocol',
        value: 'ICMP',
        allowed: 'TCP, UDP or SCTP',
      },
      {
        name: 'a profile that has no name',
        change: e => (e.spec.profiles = ['A B']),
        path: 'spec.profiles[0]',
        value: 'A B',
        allowed: 'the name of a profile',
      },
    ],
  ),
  ...validationCases<Profile>(
    Profile,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: 'a bad rule',
        change: p => (p.spec.egress = [{ action: 'Allow', destination: { ports: [80] } }]),
        path: 'spec.egress[0].destination.ports[0]',
        value: 80,
        allowed: 'TCP, UDP or SCTP',
      },
    ],
  ),
  ...validationCases<WorkloadEndpoint>(
    WorkloadEndpoint,
    [
      { name: 'the example', change: () => {} },
      {
        name: 'a floating address',
        change: e => (e.spec.ipNATs = [{ internalIP: '10.244.1.7', externalIP: '192.0.2.7' }]),
      },
    ],
    [
      {
        name: 'no interface',
        change: e => Reflect.deleteProperty(e.spec, 'interfaceName'),
        path: 'spec.interfaceName',
        allowed: 'a string',
      },
      {
        name: 'a network of many',
        change: e => (e.spec.ipNetworks = ['10.0.0.0/24']),
        path: 'spec.ipNetworks[0]',
        value: '10.0.0.0/24',
        allowed: 'a prefix length of 32',
      },
      {
        name: "a floating address to somebody else's",
        change: e => (e.spec.ipNATs = [{ internalIP: '10.0.0.9', externalIP: '192.0.2.7' }]),
        path: 'spec.ipNATs[0].internalIP',
        value: '10.0.0.9',
        allowed: 'in ipNetworks',
      },
      {
        name: 'a floating address of the other family',
        change: e => (e.spec.ipNATs = [{ internalIP: '10.244.1.7', externalIP: 'fd00::7' }]),
        path: 'spec.ipNATs[0].externalIP',
        value: 'fd00::7',
        allowed: 'must be IPv4',
      },
      {
        name: 'a port without a name',
        change: e => (e.spec.ports = [{ protocol: 'TCP', port: 1 }]),
        path: 'spec.ports[0].name',
        allowed: 'unless there is a hostPort',
      },
      {
        name: 'a port of ICMP',
        change: e => (e.spec.ports = [{ name: 'a', protocol: 'ICMP', port: 1 }]),
        path: 'spec.ports[0].protocol',
        value: 'ICMP',
        allowed: 'TCP, UDP or SCTP',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});

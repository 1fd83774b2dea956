import { describe, expect, test } from 'bun:test';
import { CniError } from './cni-error.ts';
import { podNameOf } from './container-args.ts';
import { parseNetworkConfig } from './network-config.ts';

const minimal = { cniVersion: '1.0.0', name: 'net', type: 'calico' };

function errorOf(work: () => unknown): CniError {
  try {
    work();
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('parseNetworkConfig', () => {
  test('gives one IPv4 address, the MTU of the agent and no forwarding by default', () => {
    expect(parseNetworkConfig(minimal, 'node-1')).toEqual({
      cniVersion: '1.0.0',
      name: 'net',
      families: [4],
      ipv4Pools: [],
      ipv6Pools: [],
      mtu: 0,
      allowIpForwarding: false,
      policyTimeoutMs: undefined,
      previousAddresses: undefined,
    });
  });

  test("takes Calico's documented fields", () => {
    const config = {
      ...minimal,
      log_level: 'info',
      datastore_type: 'kubernetes',
      nodename: 'node-1',
      mtu: 1440,
      ipam: {
        type: 'calico-ipam',
        assign_ipv4: 'true',
        assign_ipv6: 'true',
        ipv4_pools: ['10.0.0.7/24', 'default-ipv4-ippool'],
        ipv6_pools: ['fd00::/64'],
      },
      container_settings: { allow_ip_forwarding: true },
      policy: { type: 'k8s' },
      kubernetes: { kubeconfig: '/etc/cni/net.d/calico-kubeconfig' },
      policy_setup_timeout_seconds: 3,
      prevResult: { ips: [{ address: '10.0.0.1/32' }] },
    };
    expect(parseNetworkConfig(config, 'node-1')).toMatchObject({
      families: [4, 6],
      ipv4Pools: ['10.0.0.7/24', 'default-ipv4-ippool'],
      ipv6Pools: ['fd00::/64'],
      mtu: 1440,
      allowIpForwarding: true,
      policyTimeoutMs: 3000,
      previousAddresses: ['10.0.0.1/32'],
    });
  });

  const refusals: { name: string; config: Record<string, unknown>; says: string }[] = [
    { name: 'another IPAM plugin', config: { ipam: { type: 'host-local' } }, says: 'ipam.type is "host-local"' },
    { name: 'netkit devices', config: { device_type: 'netkit' }, says: 'device_type is "netkit"' },
    {
      name: 'another dataplane',
      config: { dataplane_options: { type: 'grpc' } },
      says: 'dataplane_options.type is "grpc"',
    },
    { name: 'several queues', config: { num_queues: 4 }, says: 'num_queues is 4' },
    { name: 'another node', config: { nodename: 'node-2' }, says: 'nodename is "node-2"; allowed: "", "node-1"' },
    { name: 'readiness gates', config: { readiness_gates: ['http://localhost'] }, says: 'readiness_gates' },
    { name: 'no family at all', config: { ipam: { assign_ipv4: 'false' } }, says: 'ipam.assign_ipv4' },
    { name: 'a flag that is none', config: { ipam: { assign_ipv6: 'yes' } }, says: 'ipam.assign_ipv6 is "yes"' },
    {
      name: 'an IPv4 pool of IPv6',
      config: { ipam: { ipv4_pools: ['fd00::/64'] } },
      says: 'ipam.ipv4_pools is "fd00::/64"',
    },
    { name: 'pools that are no list', config: { ipam: { ipv6_pools: 'fd00::/64' } }, says: 'a list' },
    { name: 'an MTU that is text', config: { mtu: '1500' }, says: 'mtu is "1500"' },
    {
      name: 'a negative timeout',
      config: { policy_setup_timeout_seconds: -1 },
      says: 'policy_setup_timeout_seconds is -1',
    },
    { name: 'a section that is no object', config: { ipam: 'calico-ipam' }, says: 'ipam is "calico-ipam"' },
  ];
  for (const { name, config, says } of refusals) {
    test(`refuses ${name}`, () => {
      const { code, message } = errorOf(() => parseNetworkConfig({ ...minimal, ...config }, 'node-1'));
      expect(code).toBe(7);
      expect(message).toContain(says);
    });
  }
});

describe('podNameOf', () => {
  test('reads the pod and passes over what it does not know', () => {
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=a=b';
    expect(podNameOf(args)).toEqual({ namespace: 'shop', name: 'web' });
    expect(podNameOf('')).toBeUndefined();
    expect(podNameOf('IP=10.0.0.1;')).toBeUndefined();
  });

  test('refuses half a pod and text without "="', () => {
    expect(errorOf(() => podNameOf('K8S_POD_NAME=web'))).toMatchObject({ code: 4 });
    expect(errorOf(() => podNameOf('K8S_POD_NAMESPACE=shop')).message).toContain('K8S_POD_NAME is not set');
    expect(errorOf(() => podNameOf('nonsense')).message).toContain('"nonsense"');
  });
});

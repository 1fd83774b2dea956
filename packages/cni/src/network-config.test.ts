import { describe, expect, test } from 'bun:test';
import { CniError } from './cni-error.ts';
import { podNameOf } from './container-args.ts';
import { parseNetworkConfig } from './network-config.ts';

const context = { nodeName: 'node-1', datastoreType: 'kubernetes' } as const;
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
    expect(parseNetworkConfig(minimal, context)).toEqual({
      cniVersion: '1.0.0',
      name: 'net',
      families: [4],
      ipv4Pools: [],
      ipv6Pools: [],
      delegate: undefined,
      mtu: 0,
      requireMtuFile: false,
      queues: 1,
      allowIpForwarding: false,
      includeDefaultRoutes: false,
      readinessGates: [],
      policyTimeoutMs: undefined,
      statusFolder: '/var/run/calico/endpoint-status',
      features: { ipAddrsNoIpam: false, floatingIps: false },
      kubernetesPolicy: false,
      prevResult: undefined,
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
    expect(parseNetworkConfig(config, context)).toMatchObject({
      families: [4, 6],
      ipv4Pools: ['10.0.0.7/24', 'default-ipv4-ippool'],
      ipv6Pools: ['fd00::/64'],
      mtu: 1440,
      allowIpForwarding: true,
      policyTimeoutMs: 3000,
      kubernetesPolicy: true,
      prevResult: { ips: [{ address: '10.0.0.1/32' }] },
    });
  });

  test('takes the fields that change how a pod is made', () => {
    const config = {
      ...minimal,
      ipam: { type: 'host-local', subnet: 'usePodCidr' },
      num_queues: 4,
      require_mtu_file: true,
      include_default_routes: true,
      readiness_gates: ['http://localhost:9099/readiness'],
      endpoint_status_dir: '/run/status',
      feature_control: { ip_addrs_no_ipam: true, floating_ips: true },
      datastore_type: 'kubernetes',
      device_type: 'veth',
    };
    expect(parseNetworkConfig(config, context)).toMatchObject({
      delegate: 'host-local',
      families: [],
      queues: 4,
      requireMtuFile: true,
      includeDefaultRoutes: true,
      readinessGates: ['http://localhost:9099/readiness'],
      statusFolder: '/run/status',
      features: { ipAddrsNoIpam: true, floatingIps: true },
    });
  });

  const refusals: { name: string; config: Record<string, unknown>; says: string }[] = [
    { name: 'an IPAM plugin by its path', config: { ipam: { type: '/bin/sh' } }, says: 'ipam.type is "/bin/sh"' },
    { name: 'another datastore', config: { datastore_type: 'etcdv3' }, says: 'datastore_type is "etcdv3"' },
    { name: 'a policy type that is none', config: { policy: { type: 'k9s' } }, says: 'policy.type is "k9s"' },
    { name: 'fields of Windows', config: { windows_loopback_DSR: true }, says: 'windows_loopback_DSR is true' },
    { name: 'more queues than there can be', config: { num_queues: 5000 }, says: 'num_queues is 5000' },
    { name: 'netkit devices', config: { device_type: 'netkit' }, says: 'device_type is "netkit"' },
    {
      name: 'another dataplane',
      config: { dataplane_options: { type: 'grpc' } },
      says: 'dataplane_options.type is "grpc"',
    },
    { name: 'another node', config: { nodename: 'node-2' }, says: 'nodename is "node-2"; allowed: "", "node-1"' },
    { name: 'a readiness gate that is no URL', config: { readiness_gates: ['localhost'] }, says: 'readiness_gates' },
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
      const { code, message } = errorOf(() => parseNetworkConfig({ ...minimal, ...config }, context));
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

  test('takes half a pod for none: podman gives every container a name without a namespace', () => {
    expect(podNameOf('K8S_POD_NAME=web')).toBeUndefined();
    expect(podNameOf('K8S_POD_NAMESPACE=shop')).toBeUndefined();
  });

  test('refuses text without "="', () => {
    expect(errorOf(() => podNameOf('nonsense')).message).toContain('"nonsense"');
  });
});

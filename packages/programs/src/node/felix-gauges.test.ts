import { expect, test } from 'bun:test';
import type { ModelKind, ResourceUpdate } from '@calico/api';
import { fakeKernel } from '@calico/kernel/fake';
import { createLogger, createMetrics, HealthAggregator, type Metrics } from '@calico/process';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { bgpMetrics } from './bgp-metrics.ts';
import { Felix } from './felix.ts';
import { countNftCalls, felixGauges } from './felix-gauges.ts';
import { felixMetrics } from './felix-metrics.ts';
import { RuleHits } from './rule-hits.ts';

function object(kind: ModelKind, name: string, spec: object, more: object = {}): ResourceUpdate {
  const resource = { apiVersion: 'projectcalico.org/v3', kind, metadata: { name, ...more }, spec };
  return { kind, name, resource, ...('namespace' in more ? { namespace: String(more.namespace) } : {}) };
}

/** The lines of a scrape without help and types. */
async function scrape({ registry }: Metrics): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'));
}

const clock = new ClockFake();

test('a scrape tells how much there is, what came in, and what each rule met', async () => {
  const kernel = fakeKernel();
  kernel.createLink({ kind: 'dummy', name: 'cali1', up: true });
  const metrics = createMetrics();
  countNftCalls(metrics, kernel.nftables);
  const log = createLogger({ component: 'test', write: () => {} });
  const felix = new Felix({
    ...{ nodeName: 'node1', kernel, parameters: {}, clock, random: seededRandom(1), log },
    ...{ health: new HealthAggregator(clock), metrics: felixMetrics(metrics) },
  });
  felixGauges(metrics, { nodeName: 'node1', felix, hits: new RuleHits({ kernel, clock, log }), clock });
  felix.start();
  const endpoint = (name: string, node: string, address: string) =>
    object(
      'WorkloadEndpoint',
      name,
      {
        ...{ node, orchestrator: 'k8s', pod: name, endpoint: 'eth0', interfaceName: 'cali1' },
        ...{ ipNetworks: [address], profiles: ['kns.shop'] },
      },
      { namespace: 'shop' },
    );
  felix.onUpdates([
    object('Profile', 'kns.shop', { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] }),
    object('CalicoNode', 'node1', { bgp: { ipv4Address: '192.0.2.1/24' } }),
    endpoint('web', 'node1', '10.0.0.1/32'),
    endpoint('far', 'node2', '10.0.1.1/32'),
    object('GlobalNetworkPolicy', 'all', {
      ...{ selector: 'all()', types: ['Ingress'] },
      ingress: [{ action: 'Allow', source: { selector: 'all()' } }, { action: 'Deny' }],
    }),
    object('GlobalNetworkPolicy', 'none', { selector: 'has(nothing)', ingress: [{ action: 'Deny' }] }),
  ]);
  felix.onInSync();
  await felix.whenReady;
  const lines = await scrape(metrics);
  for (const line of [
    'felix_host{host="node1"} 1',
    'felix_active_local_endpoints 1',
    'felix_active_local_policies 1',
    'felix_active_local_selectors 1',
    'felix_cluster_num_hosts 1',
    'felix_cluster_num_workload_endpoints 2',
    'felix_cluster_num_host_endpoints 0',
    'felix_cluster_num_policies 2',
    'felix_cluster_num_profiles 1',
    'felix_calc_graph_updates_processed{type="WorkloadEndpoint"} 2',
    'felix_calc_graph_updates_processed{type="GlobalNetworkPolicy"} 2',
    'felix_int_dataplane_messages{type="WorkloadEndpointUpdate"} 1',
    'felix_int_dataplane_messages{type="InSync"} 1',
    'felix_int_dataplane_failures 0',
    'felix_nft_errors 0',
    'felix_route_table_num_routes{table="IPv4:254"} 1',
    'felix_rule_packets{rule="gnp/all/ingress/0",tier="default",action="allow"} 0',
    'felix_rule_packets{rule="gnp/all/ingress/1",tier="default",action="deny"} 0',
    'felix_rule_packets{rule="profile/kns.shop/egress/0"} 0',
  ]) {
    expect(lines).toContain(line);
  }
  const value = (name: string) => Number(lines.find(line => line.startsWith(`${name} `))?.split(' ')[1]);
  expect(value('felix_nft_calls')).toBeGreaterThan(0);
  expect(value('felix_nft_chains{ip_version="inet"}')).toBeGreaterThan(5);
  expect(value('felix_nft_rules{ip_version="inet"}')).toBeGreaterThan(5);
  expect(value('felix_nft_sets{ip_version="inet"}')).toBeGreaterThan(0);
  expect(value('felix_nft_maps{ip_version="inet"}')).toBeGreaterThan(0);
  felix.stop();
});

test('a scrape asks BIRD once, and goes on without it', async () => {
  const metrics = createMetrics();
  let asked = 0;
  const session = (neighbourAddress: string, bgpState: string, imported: number) => ({
    ...{ name: 'Mesh', proto: 'BGP', table: '', state: 'up', since: '', info: '', neighbourAS: 1, neighbourAs: 1 },
    ...{ lastError: undefined, neighbourAddress, bgpState, routes: { imported, exported: 1 } },
  });
  let answer = async () => [session('192.0.2.2', 'Established', 3), session('fd00::2', 'Active', 0)];
  const bgpSessions = async () => {
    asked++;
    return await answer();
  };
  bgpMetrics(metrics, { bgpSessions }, clock);
  const lines = async () => (await scrape(metrics)).filter(line => line.startsWith('bgp_'));
  expect(await lines()).toEqual([
    'bgp_bird_up 1',
    'bgp_peers{status="Established",ip_version="IPv4"} 1',
    'bgp_peers{status="Active",ip_version="IPv6"} 1',
    'bgp_routes_imported{ip_version="IPv4"} 3',
    'bgp_routes_imported{ip_version="IPv6"} 0',
    'bgp_routes_exported{ip_version="IPv4"} 1',
    'bgp_routes_exported{ip_version="IPv6"} 1',
  ]);
  expect(asked).toBe(1);
  answer = () => Promise.reject(new Error('nobody answers'));
  expect(await lines()).toEqual(['bgp_bird_up 0']);
});

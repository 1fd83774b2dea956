import { describe, expect, test } from 'bun:test';
import { given, gone } from './testing/builders.ts';
import { NODE, play } from './testing/replay.ts';
import { SCENARIOS } from './testing/scenarios.ts';

const config = (name: string, spec: Record<string, unknown>, more = {}) =>
  given('FelixConfiguration', name, spec, more);

describe('the configuration', () => {
  test('is empty without resources', () => expect(play([]).config).toEqual({}));

  test('takes the strongest of default, selected and node, and the cluster', () => {
    expect(play(SCENARIOS.get('configuration') ?? []).config).toEqual({
      BpfEnabled: 'false',
      ClusterGUID: 'abc',
      ClusterType: 'k8s',
      IpInIpMtu: '1440',
      LogSeverityScreen: 'Info',
      VxlanMTU: '1200',
    });
  });

  test('loses what its resource no longer says', () => {
    const node = config(`node.${NODE}`, { vxlanMTU: 1 });
    expect(play([node, 'inSync', 'flush', gone(node)]).config).toEqual({});
  });

  test('takes the oldest of several that are selected', () => {
    const at = (creationTimestamp: string) => ({ creationTimestamp });
    const updates = [
      given('CalicoNode', NODE, {}, { labels: { a: 'b' } }),
      config('x', { nodeSelector: 'has(a)', vxlanMTU: 1 }, at('2026-01-02T00:00:00Z')),
      config('y', { nodeSelector: 'has(a)', vxlanMTU: 2 }, at('2026-01-01T00:00:00Z')),
      config('z', { nodeSelector: 'has(b)', vxlanMTU: 3 }, at('2025-01-01T00:00:00Z')),
      config('bad', { nodeSelector: 'a =', vxlanMTU: 4 }, at('2025-01-01T00:00:00Z')),
    ];
    expect(play(updates).config).toEqual({ VxlanMTU: '2' });
  });

  const values: readonly { name: string; spec: Record<string, unknown>; want: Record<string, string> }[] = [
    {
      name: 'booleans and numbers',
      spec: { bpfEnabled: true, vxlanPort: 4789 },
      want: { BpfEnabled: 'true', VxlanPort: '4789' },
    },
    {
      name: 'durations, in the unit of the parameter',
      spec: { reportingInterval: '1m30s', iptablesLockProbeInterval: '50ms', routeRefreshInterval: '1m30s' },
      want: { ReportingIntervalSecs: '90', IptablesLockProbeIntervalMillis: '50', RouteRefreshInterval: '1m30s' },
    },
    {
      name: 'failsafe ports',
      spec: {
        failsafeInboundHostPorts: [
          { protocol: 'TCP', port: 22 },
          { protocol: 'udp', port: 68, net: '10.0.0.0/8' },
        ],
      },
      want: { FailsafeInboundHostPorts: 'tcp:22,udp:10.0.0.0/8:68' },
    },
    { name: 'an empty list', spec: { failsafeOutboundHostPorts: [] }, want: { FailsafeOutboundHostPorts: 'none' } },
    { name: 'ranges', spec: { routeTableRanges: [{ min: 1, max: 9 }] }, want: { RouteTableRanges: '1-9' } },
    {
      name: 'timeouts by name',
      spec: { healthTimeoutOverrides: [{ name: 'A', timeout: '5s' }] },
      want: { HealthTimeoutOverrides: 'A=5s' },
    },
  ];
  for (const { name, spec, want } of values) {
    test(`writes ${name}`, () => expect(play([config('default', spec)]).config).toEqual(want));
  }

  test('lets an annotation overrule a field that is spelled otherwise, and a weaker layer too', () => {
    const node = config(
      `node.${NODE}`,
      { vxlanMTU: 1, vxlanPort: '' },
      { annotations: { 'config.projectcalico.org/VXLANMTU': '2' } },
    );
    const cluster = config('default', { vxlanMTU: 3, vxlanPort: 4 });
    expect(play([node, cluster]).config).toEqual({ VXLANMTU: '2', VxlanPort: '4' });
  });

  test('lets annotations overrule fields', () => {
    const annotated = config('default', { vxlanMTU: 1 }, { annotations: { 'config.projectcalico.org/VxlanMTU': '2' } });
    expect(play([annotated]).config).toEqual({ VxlanMTU: '2' });
  });
});

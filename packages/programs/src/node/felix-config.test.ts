import { describe, expect, test } from 'bun:test';
import { felixSettings, timeoutsOf } from './felix-config.ts';

const notes = (raw: Record<string, string>) => felixSettings('node1', raw).notes;

describe('felixSettings', () => {
  test('has Felix’s defaults where nothing is said', () => {
    const { agent, dataplane } = felixSettings('node1', {});
    expect(agent).toMatchObject({ logLevel: 'info', logPrefix: 'calico-packet', healthPort: 9099, metricsPort: 9091 });
    expect(dataplane).toMatchObject({ nodeName: 'node1', vxlanPort: 4789, endpointToHostAction: 'drop' });
  });

  test.each([
    { raw: { bpfenabled: 'TRUE' }, want: { parameter: 'BPFEnabled', value: 'TRUE', why: 'not eBPF' } },
    { raw: { VXLANPort: '0' }, want: { parameter: 'VXLANPort', value: '0', why: 'allowed: 1 to 65535' } },
    { raw: { HealthPort: 'http' }, want: { parameter: 'HealthPort', value: 'http', why: 'allowed: 0 to 65535' } },
    { raw: { Nonsense: '1' }, want: { parameter: 'Nonsense', value: '1', why: 'no such parameter' } },
    { raw: { WireguardEnabled: 'true' }, want: { parameter: 'WireguardEnabled', value: 'true', why: 'not there yet' } },
  ])('notes $raw', ({ raw, want: { why, ...want } }) => {
    expect(notes(raw)).toMatchObject([want]);
    expect(notes(raw)[0]?.why).toContain(why);
  });

  test('reads how long reporters may be silent; what names no span is not valid', () => {
    const timeouts = (raw: Record<string, string>) => timeoutsOf(felixSettings('node1', raw).agent);
    expect(timeouts({})).toEqual({ InternalDataplaneMainLoop: 90_000 });
    expect(
      timeouts({ DataplaneWatchdogTimeout: '120', HealthTimeoutOverrides: 'CalculationGraph=1m, BGP=0s' }),
    ).toEqual({
      ...{ InternalDataplaneMainLoop: 120_000, CalculationGraph: 60_000, BGP: 0 },
    });
    expect(notes({ HealthTimeoutOverrides: 'CalculationGraph' })).toMatchObject([{ value: 'CalculationGraph' }]);
  });

  test('notes nothing of what is followed, read elsewhere, or usual', () => {
    const raw = {
      VXLANPort: '4790',
      ClusterGUID: 'x',
      BpfEnabled: 'false',
      FloatingIPs: 'disabled',
      NFTablesMode: 'Auto',
    };
    expect(notes(raw)).toEqual([]);
  });
});

import { beforeEach, describe, expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import { addr, cidr } from '@calico/ip';
import type { ConntrackEntry } from '@calico/kernel';
import { type FakeKernel, fakeKernel } from '@calico/kernel/fake';
import type { PolicyProgram } from '@calico/policy';
import { finished } from '@calico/reconcile';
import { Dataplane } from './dataplane.ts';
import { type DataplaneConfig, defaultDataplaneConfig } from './dataplane-config.ts';
import { endpoint, ipSet, policy, ports, program, protocol, rule, tier } from './testing/builders.ts';

const config: DataplaneConfig = { ...defaultDataplaneConfig, nodeName: 'node1' };
const everywhere: DataplaneConfig = { ...config, cutLiveConnections: true };
let kernel: FakeKernel;
let dataplane: Dataplane;

function start(with_: DataplaneConfig = config): void {
  dataplane = new Dataplane(kernel, with_);
}

beforeEach(() => {
  kernel = fakeKernel();
  start();
});

/** Writes the messages, judges; gives how many connections were cut. */
function apply(...messages: readonly Message[]): number {
  dataplane.handle(messages);
  dataplane.apply();
  return dataplane.hasConnectionsToJudge ? finished(dataplane.cutConnections()) : 0;
}

const inSync: Message = { kind: 'inSync' };
const podAt = (name: string, address: string, ingress: string[], egress: string[] = ['gnp/all']): Message => ({
  kind: 'endpointUpdate',
  id: `d/${name}`,
  endpoint: endpoint(name, program([tier('default', ingress)]), {
    ...(address.includes(':') ? { ipv4: [], ipv6: [`${address}/128`] } : { ipv4: [`${address}/32`] }),
    egress: program([tier('default', egress)]),
  }),
});
const rules = (id: string, change: Partial<PolicyProgram>): Message => ({
  kind: 'policyUpdate',
  policy: { ...policy(id, []), ...change },
});
const all = rules('gnp/all', { ingress: [rule('allow')], egress: [rule('allow')] });
const cuts = { cutsConnections: true } as const;
const allow80 = [rule('allow', [protocol(6), ports('destination', ['80'])])];

/** A connection to port 80; `at` is where a service's address was translated to. */
function track(from: string, to: string, { at = to, proto = 6, port = 80 } = {}): ConntrackEntry {
  const ends = { source: addr(from), destination: addr(to), protocol: proto };
  const reply = { source: addr(at), destination: ends.source, protocol: proto };
  const numbers = proto === 1 ? {} : { sourcePort: 40000, destinationPort: port };
  const back = proto === 1 ? {} : { sourcePort: port, destinationPort: 40000 };
  const entry = { original: { ...ends, ...numbers }, reply: { ...reply, ...back } };
  kernel.track(entry);
  return entry;
}

/** What became of a connection. */
function fate(entry: ConntrackEntry): 'lives' | 'cut' | 'forgotten' {
  const addresses = [entry.original.source, entry.reply.source];
  const listed = finished(kernel.conntrack.listInSteps(addresses)).find(({ key }) => key === entry);
  return listed === undefined ? 'forgotten' : listed.fixedTimeout ? 'cut' : 'lives';
}

describe('a connection that policy no longer allows', () => {
  const web = (change: Partial<PolicyProgram>) => rules('gnp/web', change);
  const closed = { ingress: [] };

  test('lives on where nothing asks for more', () => {
    apply(all, web({ ingress: allow80 }), podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    const entry = track('192.0.2.1', '10.0.0.1');
    expect(apply(web(closed))).toBe(0);
    expect(fate(entry)).toBe('lives');
  });

  test('is cut where its policy asks for it, and only it', () => {
    apply(all, web({ ingress: allow80, ...cuts }), podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    apply(podAt('calib', '10.0.0.2', ['gnp/all']));
    const [denied, of8080, other] = [
      track('192.0.2.1', '10.0.0.1'),
      track('192.0.2.1', '10.0.0.1', { port: 8080 }),
      track('192.0.2.1', '10.0.0.2'),
    ];
    const allow8080 = [rule('allow', [protocol(6), ports('destination', ['8080'])])];
    expect(apply(web({ ingress: allow8080, ...cuts }))).toBe(1);
    expect([denied, of8080, other].map(fate)).toEqual(['cut', 'lives', 'lives']);
  });

  test('is cut in both families, and by the address that a service leads to', () => {
    apply(all, web({ ingress: allow80, ...cuts }), inSync);
    apply(podAt('calia', '10.0.0.1', ['gnp/web']), podAt('calib', 'fd00::1', ['gnp/web']));
    const entries = [track('192.0.2.1', '10.96.0.9', { at: '10.0.0.1' }), track('fd99::1', 'fd00::1')];
    expect(apply(web({ ...closed, ...cuts }))).toBe(2);
    expect(entries.map(fate)).toEqual(['cut', 'cut']);
  });

  test('is cut on the way out too; what comes in is not asked then', () => {
    const out = (change: Partial<PolicyProgram>) => rules('gnp/out', { ...change, ...cuts });
    apply(all, out({ egress: allow80 }), podAt('calia', '10.0.0.1', ['gnp/all'], ['gnp/out']), inSync);
    const entries = [track('10.0.0.1', '192.0.2.1'), track('192.0.2.1', '10.0.0.1')];
    expect(apply(out({ egress: [] }))).toBe(1);
    expect(entries.map(fate)).toEqual(['cut', 'lives']);
  });

  test('is cut everywhere where the configuration asks for it, from then on', () => {
    apply(all, web({ ingress: allow80 }), podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    const entry = track('192.0.2.1', '10.0.0.1');
    apply(web(closed));
    expect(fate(entry)).toBe('lives');
    dataplane.reconfigure(everywhere);
    expect(apply()).toBe(1);
    expect(fate(entry)).toBe('cut');
  });

  test('is cut when a member leaves a set, and when the pod gets other policies', () => {
    const fromWeb: PolicyProgram['ingress'] = [rule('allow', [ipSet('source', 's:web')])];
    const members = ['192.0.2.1/32', '192.0.2.2/32', '198.51.100.0/24'];
    apply({ kind: 'ipSetUpdate', id: 's:web', type: 'net', members }, all, web({ ingress: fromWeb, ...cuts }));
    apply(podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    const entries = ['192.0.2.1', '192.0.2.2', '198.51.100.7'].map(from => track(from, '10.0.0.1'));
    expect(apply({ kind: 'ipSetDelta', id: 's:web', added: [], removed: ['192.0.2.1/32'] })).toBe(1);
    expect(entries.map(fate)).toEqual(['cut', 'lives', 'lives']);
    apply(rules('gnp/none', {}), podAt('calia', '10.0.0.1', ['gnp/none']));
    expect(entries.map(fate)).toEqual(['cut', 'cut', 'cut']);
  });

  test('is cut when the policy that cuts, and allowed it, goes', () => {
    apply(all, web({ ingress: allow80, ...cuts }), podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    const entry = track('192.0.2.1', '10.0.0.1');
    const nothing = endpoint('calia', program([]), { ipv4: ['10.0.0.1/32'] });
    apply({ kind: 'endpointUpdate', id: 'd/calia', endpoint: nothing }, { kind: 'policyRemove', id: 'gnp/web' });
    expect(fate(entry)).toBe('cut');
  });

  test('is cut at the start, having been denied while nobody looked', () => {
    const entry = track('192.0.2.1', '10.0.0.1');
    apply(all, web({ ...closed, ...cuts }), podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    expect(fate(entry)).toBe('cut');
  });

  test('is not cut by a staged policy, nor where the node itself began it, nor where it is a ping that is allowed', () => {
    const eth0 = kernel.createLink({ kind: 'dummy', name: 'eth0', up: true });
    kernel.replaceAddress({ link: eth0.index, address: cidr('172.16.0.1/24'), scope: 'universe' });
    const ping = [rule('allow', [{ kind: 'icmp', type: 8, negated: false }])];
    apply(all, web({ ingress: ping }), rules('sgnp/s', { ...cuts, staged: true }), inSync);
    apply(podAt('calia', '10.0.0.1', ['gnp/web', 'sgnp/s']));
    const [node, other, echo] = [
      track('172.16.0.1', '10.0.0.1'),
      track('192.0.2.1', '10.0.0.1'),
      track('192.0.2.1', '10.0.0.1', { proto: 1 }),
    ];
    expect(apply(rules('sgnp/s', { ...cuts, staged: true }))).toBe(0);
    dataplane.reconfigure(everywhere);
    apply();
    expect([node, other, echo].map(fate)).toEqual(['lives', 'cut', 'lives']);
  });
});

describe('a connection that was cut', () => {
  const open = rules('gnp/web', { ingress: allow80, ...cuts });
  const closed = rules('gnp/web', { ...cuts });

  test('is forgotten when it is allowed again, so that it can begin anew', () => {
    apply(all, open, podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    const entry = track('192.0.2.1', '10.0.0.1');
    apply(closed);
    expect(apply(open)).toBe(0);
    expect(fate(entry)).toBe('forgotten');
  });

  test('is forgotten when it is allowed again, though nothing asks for cutting any more', () => {
    apply(all, open, podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    const entry = track('192.0.2.1', '10.0.0.1');
    apply(closed);
    apply(rules('gnp/web', {}));
    expect(fate(entry)).toBe('cut');
    start();
    apply(all, rules('gnp/web', {}), podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    expect(fate(entry)).toBe('cut');
    apply(rules('gnp/web', { ingress: allow80 }));
    expect(fate(entry)).toBe('forgotten');
  });

  test('stays cut while either end denies it', () => {
    apply(all, open, podAt('calia', '10.0.0.1', ['gnp/web']), podAt('calib', '10.0.0.2', ['gnp/all']), inSync);
    const entry = track('10.0.0.2', '10.0.0.1');
    apply(closed);
    expect(fate(entry)).toBe('cut');
    apply(rules('gnp/more', {}), podAt('calib', '10.0.0.2', ['gnp/all'], ['gnp/all', 'gnp/more']));
    expect(fate(entry)).toBe('cut');
  });

  test('is judged again when the kernel has refused', () => {
    apply(all, open, podAt('calia', '10.0.0.1', ['gnp/web']), inSync);
    const entry = track('192.0.2.1', '10.0.0.1');
    const { fixTimeout } = kernel.conntrack;
    kernel.conntrack.fixTimeout = () => {
      throw new Error('ENOBUFS');
    };
    expect(() => apply(closed)).toThrow('ENOBUFS');
    expect(dataplane.hasConnectionsToJudge).toBe(true);
    kernel.conntrack.fixTimeout = fixTimeout;
    expect(apply()).toBe(1);
    expect(fate(entry)).toBe('cut');
  });
});

test('nothing is kept to be judged while nothing asks for it', () => {
  apply(all, podAt('calia', '10.0.0.1', ['gnp/all']), inSync);
  apply(all, podAt('calib', '10.0.0.2', ['gnp/all']));
  expect(dataplane.hasConnectionsToJudge).toBe(false);
});

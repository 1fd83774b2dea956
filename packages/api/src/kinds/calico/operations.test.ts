import { expect, test } from 'bun:test';
import { untyped, validationCases } from '../../testing.ts';
import { CalicoNode } from './calico-node.ts';
import { CalicoNodeStatus } from './calico-node-status.ts';
import { KubeControllersConfiguration } from './kube-controllers-configuration.ts';
import { LiveMigration } from './live-migration.ts';

type Template = NonNullable<
  NonNullable<NonNullable<KubeControllersConfiguration['spec']['controllers']['node']>['hostEndpoint']>['templates']
>[number];

const templates =
  (...list: Template[]) =>
  (config: KubeControllersConfiguration) =>
    (config.spec = { controllers: { node: { hostEndpoint: { templates: list } } } });
const TEMPLATES = 'spec.controllers.node.hostEndpoint.templates';

test.each([
  ...validationCases<KubeControllersConfiguration>(
    KubeControllersConfiguration,
    [
      { name: 'the example', change: () => {} },
      { name: 'no controller', change: c => (c.spec = { controllers: {} }) },
      { name: 'a template by pattern', change: templates({ generateName: 'a', interfacePattern: 'eth[0-9]+' }) },
    ],
    [
      {
        name: 'another name',
        change: c => (c.metadata.name = 'mine'),
        path: 'metadata.name',
        value: 'mine',
        allowed: '"default"',
      },
      {
        name: 'no controllers',
        change: c => (c.spec = untyped({})),
        path: 'spec.controllers',
        allowed: 'an object',
      },
      {
        name: 'a template that finds no interface',
        change: templates({ generateName: 'a' }),
        path: `${TEMPLATES}[0].interfaceCIDRs`,
        allowed: 'interfacePattern',
      },
      {
        name: 'two templates of one name',
        change: templates({ interfacePattern: 'a' }, { interfacePattern: 'b' }),
        path: `${TEMPLATES}[1].generateName`,
        value: '',
        allowed: 'must differ',
      },
      {
        name: 'a pattern that is none',
        change: templates({ interfacePattern: '(' }),
        path: `${TEMPLATES}[0].interfacePattern`,
        value: '(',
        allowed: 'regular expression',
      },
      {
        name: 'a span of time that is none',
        change: c => (c.spec.etcdV3CompactionPeriod = '10 minutes'),
        path: 'spec.etcdV3CompactionPeriod',
        value: '10 minutes',
        allowed: 'span of time',
      },
    ],
  ),
  ...validationCases<CalicoNodeStatus>(
    CalicoNodeStatus,
    [
      { name: 'the example', change: () => {} },
      { name: 'a report that was never made', change: r => (r.status = { lastUpdated: null }) },
    ],
    [
      { name: 'no node', change: r => (r.spec.node = ''), path: 'spec.node', allowed: 'the name of a node' },
      { name: 'no class', change: r => (r.spec.classes = []), path: 'spec.classes', allowed: 'Agent, BGP, Routes' },
      {
        name: 'a class twice',
        change: r => (r.spec.classes = ['BGP', 'BGP']),
        path: 'spec.classes[1]',
        value: 'BGP',
        allowed: 'only once',
      },
      {
        name: 'a report every other day',
        change: r => (r.spec.updatePeriodSeconds = 172_800),
        path: 'spec.updatePeriodSeconds',
        value: 172_800,
        allowed: 'from 0 to 86400',
      },
    ],
  ),
  ...validationCases<CalicoNode>(
    CalicoNode,
    [
      { name: 'the example', change: () => {} },
      { name: 'an AS number in two parts', change: n => (n.spec.bgp = { asNumber: untyped('1.10') }) },
      { name: 'nothing', change: n => (n.spec = {}) },
    ],
    [
      { name: 'empty BGP', change: n => (n.spec.bgp = {}), path: 'spec.bgp', allowed: 'at least one field' },
      {
        name: 'an IPv6 address for IPv4',
        change: n => (n.spec.bgp = { ipv4Address: 'fd00::1/64' }),
        path: 'spec.bgp.ipv4Address',
        value: 'fd00::1/64',
        allowed: 'an IPv4 address',
      },
      {
        name: 'a hardware address that is none',
        change: n => (n.spec.vxlanTunnelMACAddr = '66:0a'),
        path: 'spec.vxlanTunnelMACAddr',
        value: '66:0a',
        allowed: 'hardware address',
      },
    ],
  ),
  ...validationCases<LiveMigration>(
    LiveMigration,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: 'no source',
        change: m => delete m.spec.source,
        path: 'spec.source',
        allowed: 'workload, workloadEndpoint',
      },
      {
        name: 'two targets',
        change: m => (m.spec.target = { selector: 'all()', workloadEndpoint: {} }),
        path: 'spec.target',
        value: { selector: 'all()', workloadEndpoint: {} },
        allowed: 'only one of',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual([...want]);
});

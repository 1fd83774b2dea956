import { expect, test } from 'bun:test';
import type { CalicoNode, FelixConfiguration, IPPool, ResourceUpdate } from '@calico/api';
import { NodeView } from './node-view.ts';

const v3 = 'projectcalico.org/v3';
const pool = (cidr: string): IPPool => ({ apiVersion: v3, kind: 'IPPool', metadata: { name: 'p' }, spec: { cidr } });
const node = (name: string, more: Partial<CalicoNode> = {}): CalicoNode => ({
  apiVersion: v3,
  kind: 'Node',
  metadata: { name },
  spec: {},
  ...more,
});
const felix = (spec: FelixConfiguration['spec']): FelixConfiguration => ({
  apiVersion: v3,
  kind: 'FelixConfiguration',
  metadata: { name: 'x' },
  spec,
});

function view() {
  const seen = new NodeView('n');
  let calls = 0;
  seen.onChanged(() => calls++);
  const update = (kind: ResourceUpdate['kind'], name: string, resource?: ResourceUpdate['resource']) =>
    seen.onUpdates([{ kind, name, resource } as ResourceUpdate]);
  return { seen, update, calls: () => calls };
}

test('nobody is told anything until the view is whole, then of each change', () => {
  const { seen, update, calls } = view();
  update('IPPool', 'p', pool('10.0.0.0/16'));
  expect(calls()).toBe(0);
  seen.onInSync();
  expect(calls()).toBe(1);
  update('IPPool', 'p', pool('10.1.0.0/16'));
  expect([...seen.pools].map(({ spec }) => spec.cidr)).toEqual(['10.1.0.0/16']);
  update('IPPool', 'p');
  expect([...seen.pools]).toEqual([]);
  expect(calls()).toBe(3);
});

test('of nodes only this one counts, and of it only what tunnels depend on', () => {
  const { seen, update, calls } = view();
  seen.onInSync();
  update('CalicoNode', 'other', node('other'));
  expect(seen.node).toBeUndefined();
  update('CalicoNode', 'n', node('n', { metadata: { name: 'n', labels: { rack: 'a' } } }));
  expect(calls()).toBe(2);
  const labels = { metadata: { name: 'n', labels: { rack: 'a' } } };
  update('CalicoNode', 'n', node('n', { ...labels, spec: { ipv4VXLANTunnelAddr: '10.0.0.1' } }));
  expect(calls()).toBe(2);
  expect(seen.node?.spec.ipv4VXLANTunnelAddr).toBe('10.0.0.1');
  update('CalicoNode', 'n', node('n', { ...labels, status: { wireguardPublicKey: 'key' } }));
  expect(calls()).toBe(3);
});

test('a field of Felix is that of the node’s own configuration, else the cluster’s', () => {
  const { seen, update } = view();
  expect(seen.felix('mtuIfacePattern')).toBeUndefined();
  update('FelixConfiguration', 'default', felix({ mtuIfacePattern: '^a', vxlanMTU: 1400 }));
  update('FelixConfiguration', 'node.other', felix({ mtuIfacePattern: '^c' }));
  update('FelixConfiguration', 'node.n', felix({ mtuIfacePattern: '^b' }));
  expect(seen.felix('mtuIfacePattern')).toBe('^b');
  expect(seen.felix('vxlanMTU')).toBe(1400);
});

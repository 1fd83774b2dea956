import { expect, test } from 'bun:test';
import type { Message } from '@calico/calc';
import { cidr } from '@calico/ip';
import { errnoNumber, KernelError } from '@calico/kernel';
import type { FakeKernel } from '@calico/kernel/fake';
import { fakeKernel } from '@calico/kernel/fake';
import { seededRandom } from '@calico/reconcile';
import fc from 'fast-check';
import { closeWorkloads } from './closed-rules.ts';
import { Dataplane } from './dataplane.ts';
import { defaultDataplaneConfig } from './dataplane-config.ts';
import { endpoint, ipSet, policy, program, rule, tier } from './testing/builders.ts';
import { reachableText, tableText } from './testing/ruleset-text.ts';
import { anyMessage } from './testing/worlds.ts';

const table = { family: 'inet', name: 'calico' } as const;
const config = { ...defaultDataplaneConfig, nodeName: 'node1' };
/** So many rules no program has: all are asked in order, none by lookups. */
const inOrder = 1000;

/** The overlay, of which the rest of a history changes other nodes' ends only. */
const ground: Message[] = [
  { kind: 'hostUpdate', host: { name: 'node1', ipv4: '172.16.0.1' } },
  {
    kind: 'poolUpdate',
    pool: {
      cidr: '10.244.0.0/16',
      vxlanMode: 'Always',
      ipipMode: 'Never',
      natOutgoing: true,
      allowedUses: ['Workload'],
    },
  },
  vtep(1, 1),
  { kind: 'inSync' },
];

function vtep(node: number, number: number): Message {
  const ends = { ipv4: `10.244.${number}.1`, parentIpv4: `172.16.0.${number}` };
  return { kind: 'vtepUpdate', vtep: { node: `node${node}`, mac: `66:00:00:00:00:0${number}`, ...ends } };
}

const node = fc.integer({ min: 2, max: 4 });
const block = fc.integer({ min: 2, max: 5 }).map(i => `10.244.${i}.0/26`);
const ofNodes: fc.Arbitrary<Message> = fc.oneof(
  fc.tuple(node, fc.integer({ min: 2, max: 4 })).map(([name, number]) => vtep(name, number)),
  node.map((name): Message => ({ kind: 'vtepRemove', node: `node${name}` })),
  node.map((name): Message => ({ kind: 'hostUpdate', host: { name: `node${name}`, ipv4: `172.16.0.${name}` } })),
  node.map((name): Message => ({ kind: 'hostRemove', name: `node${name}` })),
  fc.tuple(block, node).map(
    ([cidr, name]): Message => ({
      kind: 'routeUpdate',
      route: {
        ...{ cidr, type: 'remoteWorkload', poolType: 'vxlan', node: `node${name}`, nodeIp: `172.16.0.${name}` },
        ...{ sameSubnet: false, natOutgoing: false, borrowed: false, block: false },
      },
    }),
  ),
  block.map((cidr): Message => ({ kind: 'routeRemove', cidr })),
);
const history = fc.array(fc.array(fc.oneof(anyMessage, ofNodes), { minLength: 1, maxLength: 8 }), {
  minLength: 1,
  maxLength: 6,
});

function newKernel(): FakeKernel {
  const kernel = fakeKernel();
  const eth0 = kernel.createLink({ kind: 'dummy', name: 'eth0', mtu: 1500, up: true });
  kernel.replaceAddress({ link: eth0.index, address: cidr('172.16.0.1/24'), scope: 'universe' });
  for (const name of ['calia', 'calib', 'calic']) kernel.createLink({ kind: 'dummy', name, up: true });
  return kernel;
}

/** All that a kernel has after one write of the whole history. */
function atOnce(history: readonly Message[], rulesInOrder: number): string[] {
  const kernel = newKernel();
  const dataplane = new Dataplane(kernel, config, { rulesInOrder });
  dataplane.handle(history);
  dataplane.apply();
  return [kernel.dump(), ...tableText(kernel.nftables.dump(table))];
}

test('changes in slices, with more coming and comparisons in between, switch once each and end as all at once', () => {
  let [batches, switches] = [0, 0];
  fc.assert(
    fc.property(
      history,
      fc.integer(),
      fc.constantFrom(500, 2_000, 1 << 20),
      fc.constantFrom(0, 8, inOrder),
      (history, seed, batchLimit, rulesInOrder) => {
        const random = seededRandom(seed);
        const chance = (share: number) => random.next() < share;
        const kernel = newKernel();
        const dataplane = new Dataplane(kernel, config, { batchLimit, rulesInOrder });
        // What packets can meet after each transaction.
        let seen: string[] = [];
        const { transaction } = kernel.nftables;
        kernel.nftables.transaction = (name, ops) => {
          transaction.call(kernel.nftables, name, ops);
          seen.push(reachableText(kernel.nftables.dump(table)).join('\n'));
        };
        const coming = [ground, ...history];
        let comparison: Generator<void, number> | undefined;
        const compare = () => {
          comparison ??= dataplane.resyncInSteps();
          const { done, value } = comparison.next();
          if (!done) return;
          comparison = undefined;
          expect(value).toBe(0);
        };
        for (let isChanged = true; isChanged; ) {
          isChanged = coming.length > 0;
          dataplane.handle(coming.shift() ?? []);
          const before = reachableText(kernel.nftables.dump(table)).join('\n');
          seen = [];
          for (const _ of dataplane.applyInSteps()) {
            if (!chance(0.02) || coming.length === 0) continue;
            dataplane.handle(coming.shift() ?? []);
            isChanged = true;
          }
          const states = [before, ...seen].filter((state, i, all) => state !== all[i - 1]);
          // Maps that are asked behind others get elements before anything leads to them.
          if (rulesInOrder === inOrder) expect(states.length).toBeLessThanOrEqual(2);
          batches += seen.length;
          switches += states.length - 1;
          while (chance(0.8)) compare();
        }
        expect([kernel.dump(), ...tableText(kernel.nftables.dump(table))]).toEqual(
          atOnce([ground, ...history].flat(), rulesInOrder),
        );
      },
    ),
    { numRuns: 40 },
  );
  // Else the limits were none.
  expect(batches).toBeGreaterThan(3 * switches);
}, 60_000);

test('changes that the kernel refuses between their stages end as those that it takes', () => {
  let refused = 0;
  fc.assert(
    fc.property(history, fc.integer(), fc.constantFrom(0, 8), (history, seed, rulesInOrder) => {
      const random = seededRandom(seed);
      const kernel = newKernel();
      const dataplane = new Dataplane(kernel, config, { rulesInOrder });
      const { transaction } = kernel.nftables;
      // Refused twice, as after the first time the table is read and the write tried again.
      let refusals = 0;
      kernel.nftables.transaction = (name, ops) => {
        if (refusals === 0 && random.next() < 0.3) refusals = 2;
        if (refusals-- > 0) throw new KernelError('change table', errnoNumber('EBUSY'));
        refusals = 0;
        transaction.call(kernel.nftables, name, ops);
      };
      const apply = () => {
        try {
          dataplane.apply();
          return true;
        } catch (error) {
          if (!(error instanceof KernelError)) throw error;
          refused++;
          return false;
        }
      };
      for (const messages of [ground, ...history]) {
        dataplane.handle(messages);
        apply();
      }
      while (!apply());
      kernel.nftables.transaction = transaction;
      dataplane.apply();
      expect([kernel.dump(), ...tableText(kernel.nftables.dump(table))]).toEqual(
        atOnce([ground, ...history].flat(), rulesInOrder),
      );
    }),
    { numRuns: 60 },
  );
  expect(refused).toBeGreaterThan(60);
}, 60_000);

test('the first view of a large cluster fills its maps in small batches on a node that was closed before it, too', () => {
  const kernel = newKernel();
  closeWorkloads(kernel, config);
  const elements: number[] = [];
  const { transaction } = kernel.nftables;
  kernel.nftables.transaction = (name, ops) => {
    elements.push(ops.reduce((sum, op) => sum + ('elements' in op ? op.elements.length : 0), 0));
    transaction.call(kernel.nftables, name, ops);
  };
  const peers = Array.from({ length: 10_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}/32`);
  const rules = Array.from({ length: 20 }, () => rule('allow', [ipSet('source', 's:peers')]));
  const dataplane = new Dataplane(kernel, config);
  dataplane.handle([
    { kind: 'ipSetUpdate', id: 's:peers', type: 'net', members: peers },
    { kind: 'policyUpdate', policy: policy('gnp/peers', rules) },
    {
      kind: 'endpointUpdate',
      id: 'default/a',
      endpoint: endpoint('calia', program([tier('default', ['gnp/peers'])])),
    },
    ...ground,
  ]);
  dataplane.apply();
  expect(elements.reduce((sum, count) => sum + count)).toBeGreaterThan(peers.length);
  expect(Math.max(...elements)).toBeLessThan(peers.length / 4);
});

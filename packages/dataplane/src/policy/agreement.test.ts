import { expect, test } from 'bun:test';
import { addr } from '@calico/ip';
import { fakeNftables } from '@calico/kernel/fake';
import { evaluate, type Packet } from '@calico/policy';
import fc from 'fast-check';
import { defaultDataplaneConfig } from '../dataplane-config.ts';
import { endpoint, policy, ports, program, protocol, rule, tier } from '../testing/builders.ts';
import { anyPacket, completeWorld, evaluatorWorld, messagesOf, programOf, type World } from '../testing/worlds.ts';
import { baseChains, baseSets } from './base-chains.ts';
import { NftablesWriter } from './nftables-writer.ts';
import { PolicyCompiler } from './policy-compiler.ts';
import { Ruleset } from './ruleset.ts';

/** The world in the fake kernel, as the dataplane writes it. */
function written(world: World, rulesInOrder: number | undefined) {
  const nftables = fakeNftables();
  const ruleset = new Ruleset();
  for (const spec of baseSets()) ruleset.addSet(spec, []);
  const compiler = new PolicyCompiler(ruleset, rulesInOrder === undefined ? {} : { rulesInOrder });
  const config = { ...defaultDataplaneConfig, endpointToHostAction: 'return', vxlanPort: undefined } as const;
  for (const chain of baseChains(config)) ruleset.setChain(chain);
  for (const message of messagesOf(world)) compiler.handle(message);
  compiler.compile();
  new NftablesWriter(nftables, ruleset).apply();
  return nftables;
}

function allowedBy(world: World, packet: Packet, ends: { from?: string; to?: string }): boolean {
  const asked = evaluatorWorld(world);
  const decides = (id: string | undefined, direction: 'egress' | 'ingress') =>
    id === undefined || evaluate(programOf(world, id, direction), direction, asked, packet).verdict === 'allow';
  return decides(ends.from, 'egress') && decides(ends.to, 'ingress');
}

const ways = [
  { name: 'from pod to pod', iif: 'calia', oif: 'calib', ends: { from: 'default/a', to: 'default/b' } },
  { name: 'into a pod', iif: 'eth0', oif: 'calib', ends: { to: 'default/b' } },
  { name: 'out of a pod', iif: 'calia', oif: 'eth0', ends: { from: 'default/a' } },
] as const;

test.each([
  { name: 'rules and lookups', rulesInOrder: undefined },
  { name: 'lookups alone', rulesInOrder: 0 },
])(
  'the compiled $name decide every forwarded packet as the evaluator does',
  ({ rulesInOrder }) => {
    const verdicts = { accept: 0, drop: 0 };
    const property = fc.property(
      completeWorld,
      fc.array(anyPacket, { minLength: 12, maxLength: 12 }),
      (world, packets) => {
        const nftables = written(world, rulesInOrder);
        for (const packet of packets) {
          for (const { name, iif, oif, ends } of ways) {
            const { verdict } = nftables.classify('forward', packet, { iif, oif });
            verdicts[verdict]++;
            expect(`${name}: ${verdict}`).toBe(`${name}: ${allowedBy(world, packet, ends) ? 'accept' : 'drop'}`);
          }
        }
        expect(nftables.check()).toEqual([]);
      },
    );
    fc.assert(property, { numRuns: 300, seed: 1 });
    // A property that only ever saw one verdict would show nothing.
    expect(Math.min(verdicts.accept, verdicts.drop)).toBeGreaterThan((verdicts.accept + verdicts.drop) / 20);
  },
  60_000,
);

test('a named port of the own side is looked up by its number, beside numbers that stand with it', () => {
  const named = rule('allow', [protocol(6), ports('destination', ['443'], ['n:a'])]);
  const others = Array.from({ length: 10 }, (_, i) => rule('deny', [protocol(100 + i)], i + 1));
  const own = program([tier('default', ['gnp/a'])]);
  const nftables = written(
    {
      sets: new Map([['n:a', { type: 'ipPort', members: ['10.0.0.2,tcp:8080', '10.0.0.3,tcp:9090'] }]]),
      policies: new Map([['gnp/a', policy('gnp/a', [named, ...others])]]),
      profiles: new Map(),
      endpoints: new Map([['default/b', endpoint('calib', own)]]),
    },
    0,
  );
  const [source, destination] = [addr('10.0.0.1'), addr('10.0.0.2')];
  const verdicts = [443, 8080, 9090, 80].map(destinationPort => {
    const packet = { family: 4, source, destination, protocol: 6, sourcePort: 40000, destinationPort } as const;
    return nftables.classify('forward', packet, { iif: 'eth0', oif: 'calib' }).verdict;
  });
  expect(verdicts).toEqual(['accept', 'accept', 'drop', 'drop']);
});

import { expect, test } from 'bun:test';
import type { Resource } from '@calico/api';
import { ClusterView, type Port, printPort, simulate } from '@calico/simulate';
import { oracleOf } from '../oracle/oracle.ts';
import type { RawResource } from '../oracle/resources.ts';
import { Dice } from './dice.ts';
import { assignAddresses, generateCase } from './generate.ts';
import { modelUpdate } from './model-update.ts';

/** How many clusters, each with every pair of its pods, on three ports in two families. */
const SEEDS = 8;

const ports: readonly Port[] = [
  { protocol: 6, port: 80 },
  { protocol: 17, port: 53 },
  { protocol: 132, port: 2905 },
];

test('what policies that come and go change in generated clusters is what the oracle says', () => {
  let total = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const given = generateCase(seed, { packets: 0, policies: 8 });
    const { resources, policies } = given.bind(assignAddresses(given, '10.244.0.0/16', 'fd00:10:244::/48'));
    const dice = new Dice(seed);
    // Most policies are in both: what stays must not hide what changes.
    const without = () => {
      const gone = new Set(dice.some(policies, 1, 3));
      return resources.filter(each => !gone.has(each));
    };
    const [before, after] = [without(), without()];
    const view = (of: readonly RawResource[]) =>
      new ClusterView(of.flatMap(each => modelUpdate(each as unknown as Resource) ?? []));
    const { changes } = simulate(view(before), view(after), { portsOf: () => [], ports, limit: 1e6 });
    const keys = given.pods.map(({ key }) => key);
    const found = changes
      .filter(({ port }) => ports.some(each => printPort(each) === port))
      .map(change => `${change.from} ${change.to} ${change.port} ${change.family} ${change.before} ${change.after}`);
    const wanted = changesByOracle(keys, before, after);
    expect({ seed, found: found.sort() }).toEqual({ seed, found: wanted.sort() });
    total += wanted.length;
  }
  expect(total).toBeGreaterThan(SEEDS * 10);
}, 120_000);

function changesByOracle(pods: readonly string[], before: readonly RawResource[], after: readonly RawResource[]) {
  const [was, will] = [oracleOf(before), oracleOf(after)];
  return pods.flatMap(from =>
    pods.flatMap(to =>
      ports.flatMap(port =>
        ([4, 6] as const).flatMap(ipVersion => {
          const ends = { source: { pod: from }, destination: { pod: to }, ipVersion };
          const packet = { ...ends, protocol: port.protocol, sourcePort: 49_152, destinationPort: port.port ?? 0 };
          const [first, second] = [was.judge(packet).verdict, will.judge(packet).verdict];
          return first === second ? [] : [`${from} ${to} ${printPort(port)} ${ipVersion} ${first} ${second}`];
        }),
      ),
    ),
  );
}

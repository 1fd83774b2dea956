import { expect, test } from 'bun:test';
import type { Resource } from '@calico/api';
import { explain } from '@calico/calc';
import { addr } from '@calico/ip';
import { ClusterView, judge, placeAt } from '@calico/simulate';
import type { Packet } from '../oracle/packet.ts';
import { assignAddresses, generateCase } from './generate.ts';
import { modelUpdate } from './model-update.ts';

/** How many clusters, of forty packets each. */
const SEEDS = 20;

test('packets of generated clusters are judged and explained as the oracle judges them', () => {
  const differences: string[] = [];
  const verdicts = { allow: 0, deny: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const given = generateCase(seed);
    const addresses = assignAddresses(given, '10.244.0.0/16', 'fd00:10:244::/48');
    const { resources, packets, oracle } = given.bind(addresses);
    const updates = resources.flatMap(each => modelUpdate(each as unknown as Resource) ?? []);
    const view = new ClusterView(updates);
    for (const [i, packet] of packets.entries()) {
      const { source, destination, ipVersion: family = 4, ...rest } = packet;
      const addressOf = (end: Packet['source']) =>
        addr('pod' in end ? (addresses[end.pod]?.[family === 4 ? 0 : 1] ?? '') : end.ip);
      const onWire = { ...rest, family, source: addressOf(source), destination: addressOf(destination) };
      const wanted = oracle.judge(packet);
      verdicts[wanted.verdict]++;
      const { verdict, egress } = judge(view, placeAt(view, onWire.source), placeAt(view, onWire.destination), onWire);
      // The trace is that of another calculation: of the node's whole one.
      const explained = i < 5 ? explain(updates, onWire).verdict : wanted.verdict;
      if (verdict !== wanted.verdict || egress?.verdict !== wanted.egress?.verdict || explained !== wanted.verdict)
        differences.push(
          `seed ${seed} ${JSON.stringify(packet)}: ${verdict}, explained ${explained}; ${wanted.reason}`,
        );
    }
  }
  expect(differences).toEqual([]);
  expect(verdicts.allow).toBeGreaterThan(SEEDS * 10);
  expect(verdicts.deny).toBeGreaterThan(SEEDS * 10);
}, 60_000);

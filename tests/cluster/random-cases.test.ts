import { expect, test } from 'bun:test';
import { type Resource, workloadInterfaceName } from '@calico/api';
import { fillThreadPool } from '@calico/kernel/linux';
import { RawReceiver, RawSender } from '@calico/lab';
import { generateCase } from '../cases/generate.ts';
import type { Packet } from '../oracle/packet.ts';
import { TestCluster } from './cluster.ts';

/** How many seeds; `CALICO_CASES=1000 bun test tests/cluster` for a long run. */
const cases = Number(process.env.CALICO_CASES ?? 50);
const firstSeed = Number(process.env.CALICO_SEED ?? 1);
const protocols = [6, 17, 132, 1, 89];
const outside = '198.51.100.10';

/** ICMP types that open a connection in conntrack; any other is invalid without one, and invalid packets are dropped. */
const openingIcmpTypes = new Set([8, 13, 15, 17]);

test(`the kernel decides ${cases} random clusters' packets as the oracle does`, async () => {
  await fillThreadPool();
  const cluster = new TestCluster({ nodes: 2, encapsulation: 'vxlan', nodeName: i => `node-${i + 1}` });
  const differences: string[] = [];
  let packets = 0;
  const verdicts = { allow: 0, deny: 0 };
  try {
    for (let seed = firstSeed; seed < firstSeed + cases; seed++) {
      const found = await runCase(cluster, seed);
      packets += found.packets;
      verdicts.allow += found.allowed;
      verdicts.deny += found.packets - found.allowed;
      differences.push(...found.differences);
    }
  } finally {
    cluster.close();
  }
  console.log(`${cases} cases, ${packets} packets: ${verdicts.allow} allowed, ${verdicts.deny} denied`);
  expect(differences).toEqual([]);
  expect(Math.min(verdicts.allow, verdicts.deny)).toBeGreaterThan(packets / 5);
}, 600_000);

async function runCase(cluster: TestCluster, seed: number) {
  const given = generateCase(seed, { nodes: 2, outside: [outside], protocols });
  const addresses: Record<string, string> = {};
  for (const [i, { key, node }] of given.pods.entries()) {
    const [namespace = '', name = ''] = key.split('/');
    const ip = cluster.podAddress(node, i);
    addresses[key] = ip;
    cluster.addPod(key, node, ip, workloadInterfaceName(namespace, name));
  }
  const bound = given.bind(addresses);
  const resources = bound.resources as unknown as Resource[];
  cluster.apply(resources);
  cluster.write();

  const differences: string[] = [];
  const machines = new Map([
    ...given.pods.map(({ key }) => [key, cluster.pod(key).namespace] as const),
    [outside, cluster.machine('external')] as const,
  ]);
  const senders = new Map([...machines].map(([key, namespace]) => [key, new RawSender(namespace)] as const));
  const receivers = new Map(
    [...machines].map(([key, namespace]) => [key, new RawReceiver(namespace, protocols)] as const),
  );
  const arrived = new Set<string>();
  const take = () => {
    for (const [key, receiver] of receivers) for (const tag of receiver.take()) arrived.add(`${key} ${tag}`);
  };
  const ends = (end: Packet['source']) => ('pod' in end ? end.pod : end.ip);
  const address = (end: Packet['source']) => ('pod' in end ? (addresses[end.pod] ?? '') : end.ip);
  const expected = bound.packets.map(packet => {
    const invalid =
      packet.protocol === 1 &&
      !openingIcmpTypes.has(packet.icmpType ?? 8) &&
      ends(packet.source) !== ends(packet.destination);
    return invalid ? 'deny' : bound.oracle.judge(packet).verdict;
  });
  for (const [tag, packet] of bound.packets.entries()) {
    // A flow that an earlier packet opened would answer for the policy.
    for (const { kernel } of cluster.nodes) kernel.conntrack.flush();
    const { source, destination, ...rest } = packet;
    senders.get(ends(source))?.send({ ...rest, source: address(source), destination: address(destination), tag });
  }
  // What is to arrive is waited for; what is not gets the same time and a little more.
  const deadline = performance.now() + 1_000;
  const missing = () =>
    bound.packets.some((p, tag) => expected[tag] === 'allow' && !arrived.has(`${ends(p.destination)} ${tag}`));
  do {
    take();
    await new Promise(resolve => setTimeout(resolve, 2));
  } while (missing() && performance.now() < deadline);
  take();
  for (const [tag, packet] of bound.packets.entries()) {
    const found = arrived.has(`${ends(packet.destination)} ${tag}`) ? 'allow' : 'deny';
    if (found !== expected[tag]) {
      differences.push(
        `seed ${seed} packet ${tag} ${JSON.stringify(packet)}: kernel ${found}, oracle ${JSON.stringify(bound.oracle.judge(packet))}`,
      );
    }
  }
  for (const closing of [...senders.values(), ...receivers.values()]) closing.close();
  cluster.remove(resources);
  cluster.write();
  for (const { key } of given.pods) cluster.removePod(key);
  return { packets: bound.packets.length, allowed: expected.filter(v => v === 'allow').length, differences };
}

import type { ResourceUpdate, WorkloadEndpoint } from '@calico/api';
import { type ExplainedRule, type ExplainedStep, type Explanation, explain } from '@calico/calc';
import { readFelixModel } from '@calico/datastore';
import { type Addr, parseAddr, parseCidr, printAddr } from '@calico/ip';
import type { Packet } from '@calico/policy';
import { ClusterView, firstPacket, type Judgement, judge, type Port, placeAt } from '@calico/simulate';
import { Failure } from '../failure.ts';
import { readPort } from '../policy/read-port.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `policy explain`. */
export interface ExplainFlags extends ConnectionFlags {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly namespace?: string;
  readonly output?: string;
}

/** `calicoctl policy explain`: which tier, policy and rule decides a connection, and why the others before it did not. */
export async function runPolicyExplain(flags: ExplainFlags, world: World): Promise<void> {
  const { output = 'text' } = flags;
  if (output !== 'text' && output !== 'json') {
    throw new Failure(`--output is "${output}"; allowed: json, or nothing for text`);
  }
  const port = readPort(flags.port);
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  const updates = await readFelixModel(store.client, store.type);
  const ends = {
    from: addressesOf('--from', flags.from, flags.namespace, updates),
    to: addressesOf('--to', flags.to, flags.namespace, updates),
  };
  const packet = packetBetween(ends, port, flags);
  const view = new ClusterView(updates);
  const judged = judge(view, placeAt(view, packet.source), placeAt(view, packet.destination), packet);
  const explanation = withJudgement(explain(updates, packet), judged);
  world.out(
    output === 'json' ? `${JSON.stringify(explanation, null, 2)}\n` : printExplanation(explanation, packet, flags),
  );
}

/** What policy says of a packet, and what nodes do besides. */
export type JudgedExplanation = Explanation & Pick<Judgement, 'beside'>;

/** An explanation with what nodes do besides policy, and without the ends that they do not ask. */
function withJudgement({ directions }: Explanation, judged: Judgement): JudgedExplanation {
  const { verdict, beside } = judged;
  const asked = directions.filter(({ direction }) => judged[direction] !== undefined);
  return { verdict, directions: asked, ...(beside === undefined ? {} : { beside }) };
}

/** The addresses of a pod, `namespace/name` or a name in the namespace of --namespace, or one that is given. */
function addressesOf(
  flag: string,
  text: string,
  inNamespace: string | undefined,
  updates: readonly ResourceUpdate[],
): readonly Addr[] {
  const address = parseAddr(text);
  if (address !== undefined) return [address];
  const [namespace, pod] = text.includes('/') ? text.split('/') : [inNamespace ?? 'default', text];
  for (const update of updates) {
    if (update.kind !== 'WorkloadEndpoint' || update.namespace !== namespace || update.resource === undefined) continue;
    const { spec } = update.resource as WorkloadEndpoint;
    if ((spec.pod || spec.workload) !== pod) continue;
    return (spec.ipNetworks ?? []).flatMap(net => parseCidr(net)?.addr ?? []);
  }
  throw new Failure(`${flag} is "${text}"; allowed: an address, or a pod with an address, as namespace/name`);
}

/** The first packet between two ends, in the first family that both have. */
function packetBetween(
  { from, to }: { readonly from: readonly Addr[]; readonly to: readonly Addr[] },
  port: Port,
  flags: ExplainFlags,
): Packet {
  for (const family of [4, 6] as const) {
    const source = from.find(address => address.family === family);
    const destination = to.find(address => address.family === family);
    if (source === undefined || destination === undefined) continue;
    return firstPacket(source, destination, port);
  }
  throw new Failure(`--from ${flags.from} and --to ${flags.to} have no addresses of one family`);
}

/** The explanation as text, a line for each policy, rule and end of a tier. Pure. */
export function printExplanation(explanation: JudgedExplanation, packet: Packet, flags: ExplainFlags): string {
  const end = (text: string, address: Addr) =>
    parseAddr(text) === undefined ? `${text} (${printAddr(address)})` : text;
  const lines = [
    `${end(flags.from, packet.source)} to ${end(flags.to, packet.destination)}, ${flags.port}: ${words(explanation.verdict)}`,
  ];
  const { beside } = explanation;
  if (explanation.directions.length === 0 && beside === undefined)
    lines.push('Neither end is a pod: no policy of a pod has a say.');
  for (const { direction, workload, node, verdict, steps } of explanation.directions) {
    lines.push('', `${direction} of ${workload} on node ${node}: ${words(verdict)}`);
    for (const [i, step] of steps.entries()) lines.push(...printStep(step, i === steps.length - 1));
  }
  if (beside !== undefined) lines.push('', `=> besides policy: ${beside.reason}: ${beside.verdict}`);
  return `${lines.join('\n')}\n`;
}

function printStep(step: ExplainedStep, decides: boolean): string[] {
  const mark = decides ? '=>' : '  ';
  switch (step.kind) {
    case 'policy': {
      const staged = step.staged === true ? ', staged: would say' : ':';
      return [
        `${mark} tier ${step.tier}, policy ${step.name}${staged} ${said(step.outcome)}`,
        ...printRules(step.rules),
      ];
    }
    case 'profile':
      return [`${mark} profile ${step.name}: ${said(step.outcome)}`, ...printRules(step.rules)];
    case 'tierEnd':
      return [`${mark} end of tier ${step.tier}: ${said(step.outcome)}`];
    case 'end':
      return [`${mark} no tier or profile decided: deny`];
  }
}

function printRules(rules: readonly ExplainedRule[] | undefined): string[] {
  return (rules ?? []).map(({ index, action, unmet }) =>
    unmet === undefined
      ? `       rule ${index} ${action}: applies`
      : `       rule ${index} ${action}: it asks ${unmet}`,
  );
}

function said(outcome: string): string {
  return outcome === 'none' ? 'nothing' : outcome;
}

function words(verdict: 'allow' | 'deny'): string {
  return verdict === 'allow' ? 'allowed' : 'denied';
}

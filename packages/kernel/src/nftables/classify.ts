import type { FakeSet } from './fake-set.ts';
import type { FakeChain, FakeRule, FakeTable } from './fake-table.ts';
import { type FakePacket, packetBytes } from './packet.ts';
import { PacketRun } from './packet-run.ts';
import type { Hook, TableFamily, TableName, Verdict } from './types.ts';

export type { FakePacket, IpPacket, RawPacket } from './packet.ts';

/** A network interface as rules see it. */
export interface FakeInterface {
  readonly name: string;
  readonly index?: number;
  readonly group?: number;
  readonly kind?: string;
}

/** What a fib expression asks the routing tables. */
export interface FibQuestion {
  /** The address looked up, 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly isSource: boolean;
  readonly mark?: number;
  readonly iif?: string;
  readonly oif?: string;
}

/** The route found; `oif` is absent for a route without a link. */
export interface FibAnswer {
  readonly oif?: FakeInterface;
  /** linux/rtnetlink.h RTN_*. */
  readonly type: 'unicast' | 'local' | 'broadcast' | 'anycast' | 'multicast' | 'blackhole' | 'unreachable' | 'prohibit';
}

export type ConntrackState = 'new' | 'established' | 'related' | 'invalid' | 'untracked';

/** What surrounds the packet at the hook. */
export interface PacketContext {
  readonly iif?: string | FakeInterface;
  readonly oif?: string | FakeInterface;
  /** Default new. */
  readonly conntrackState?: ConntrackState;
  /** linux/netfilter/nf_conntrack_common.h enum ip_conntrack_status. */
  readonly conntrackStatus?: number;
  readonly conntrackMark?: number;
  readonly conntrackDirection?: 'original' | 'reply';
  readonly mark?: number;
  /** linux/if_packet.h; default host. */
  readonly packetType?: 'host' | 'broadcast' | 'multicast' | 'other';
  /** The routing tables; undefined: no route. */
  readonly fib?: (question: FibQuestion) => FibAnswer | undefined;
  /** Whether limits have tokens left; default within. */
  readonly limits?: 'within' | 'beyond';
}

/** One verdict on the packet's way. */
export interface TraceStep {
  readonly table: TableName;
  readonly chain: string;
  /** Position in the chain, from 0; absent where the end of a base chain, its policy, decided. */
  readonly rule?: number;
  readonly comment?: string;
  readonly verdict: Verdict;
}

/** The fate of a packet at one hook, and how it came to it. */
export interface Classification {
  readonly verdict: 'accept' | 'drop';
  /** Every rule that gave a verdict, and the policies met; the last of them decided. */
  readonly trace: readonly TraceStep[];
  /** As the packet leaves the hook. */
  readonly mark: number;
  readonly conntrackMark: number;
  readonly conntrackState: ConntrackState;
  readonly logs: readonly { readonly group?: number; readonly prefix?: string }[];
  readonly reject?: { readonly type: 'icmp' | 'tcpReset' | 'icmpx'; readonly code?: number };
  readonly nat?: {
    readonly type: 'masquerade' | 'snat' | 'dnat';
    /** Register contents: first address and port where given. */
    readonly address?: Uint8Array;
    readonly port?: number;
  };
}

/** A table as one packet meets it. */
export interface MetTable extends Pick<FakeTable, 'name' | 'chains' | 'counters'> {
  readonly sets: { get(name: string): FakeSet | undefined };
}

const familyByEtherType: Readonly<Record<number, readonly TableFamily[]>> = {
  2048: ['ip', 'inet'],
  34525: ['ip6', 'inet'],
  2054: ['arp'],
};

/** The walk behind {@link FakeNftables.classify}; `met` says as what the packet meets a table at each base chain. */
export function classify(
  tables: Iterable<FakeTable>,
  hook: Hook,
  packet: FakePacket,
  context: PacketContext,
  met: (table: FakeTable) => MetTable = table => table,
): Classification {
  const raw = packetBytes(packet);
  const families = familyByEtherType[raw.etherType] ?? [];
  const bases: { table: FakeTable; chain: FakeChain }[] = [];
  for (const table of tables) {
    if (!families.includes(table.name.family)) continue;
    for (const chain of table.chains.values()) if (chain.spec.hook === hook) bases.push({ table, chain });
  }
  bases.sort((a, b) => (a.chain.spec.priority ?? 0) - (b.chain.spec.priority ?? 0));
  const run = new PacketRun(raw, context);
  const trace: TraceStep[] = [];
  let verdict: Classification['verdict'] = 'accept';
  for (const { table, chain } of bases) {
    // Translations are chosen once, by the first packet of a connection.
    if (chain.spec.type === 'nat' && (run.conntrackState !== 'new' || run.nat !== undefined)) continue;
    const now = met(table);
    verdict = walkBase(now, now.chains.get(chain.spec.name) ?? chain, run, trace);
    if (verdict === 'drop') break;
  }
  return {
    verdict,
    trace,
    mark: run.mark,
    conntrackMark: run.conntrackMark,
    conntrackState: run.conntrackState,
    logs: run.logs,
    ...(run.reject !== undefined && { reject: run.reject }),
    ...(run.nat !== undefined && { nat: run.nat }),
  };
}

/** linux/net/netfilter/nf_tables_core.c nft_do_chain */
function walkBase(table: MetTable, base: FakeChain, run: PacketRun, trace: TraceStep[]): 'accept' | 'drop' {
  const stack: { chain: FakeChain; at: number }[] = [];
  let chain: FakeChain | undefined = base;
  let at = 0;
  while (chain !== undefined) {
    const rule: FakeRule | undefined = chain.rules[at];
    const verdict: Verdict | undefined = rule === undefined ? { kind: 'return' } : run.evaluate(rule, table);
    at++;
    if (verdict === undefined) continue;
    if (rule !== undefined) {
      const { comment } = rule;
      const name = chain.spec.name;
      trace.push({ table: table.name, chain: name, rule: at - 1, ...(comment !== undefined && { comment }), verdict });
    }
    if (verdict.kind === 'accept' || verdict.kind === 'drop') return verdict.kind;
    if (verdict.kind === 'jump' || verdict.kind === 'goto') {
      if (verdict.kind === 'jump') stack.push({ chain, at });
      chain = table.chains.get(verdict.chain);
      at = 0;
    } else if (verdict.kind === 'return') {
      const back = stack.pop();
      chain = back?.chain;
      at = back?.at ?? 0;
    }
  }
  const kind = base.spec.policy ?? 'accept';
  trace.push({ table: table.name, chain: base.spec.name, verdict: { kind } });
  return kind;
}

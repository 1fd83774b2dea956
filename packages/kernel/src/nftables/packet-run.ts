import { LITTLE_ENDIAN, viewOf } from '../netlink/index.ts';
import type {
  Classification,
  ConntrackState,
  FakeInterface,
  FibQuestion,
  MetTable,
  PacketContext,
} from './classify.ts';
import type { FakeRule } from './fake-table.ts';
import { ctStates } from './field-type.ts';
import { compareKeys } from './keys.ts';
import type { RawPacket } from './packet.ts';
import { REGISTER_BYTES, registerOffset } from './registers.ts';
import type { CmpOp, CtKey, ExprOf, MetaKey, Verdict } from './types.ts';

// linux/netfilter.h
const nfprotoByEtherType: Readonly<Record<number, number>> = { 2048: 2, 34525: 10, 2054: 3 };
// linux/if_packet.h
const packetTypes = { host: 0, broadcast: 1, multicast: 2, other: 3 } as const;
// linux/rtnetlink.h RTN_*
const routeTypes = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
} as const;

const comparisons: Readonly<Record<CmpOp, (order: number) => boolean>> = {
  eq: order => order === 0,
  neq: order => order !== 0,
  lt: order => order < 0,
  lte: order => order <= 0,
  gt: order => order > 0,
  gte: order => order >= 0,
};

const encoder = new TextEncoder();

/** What one expression leads to: on to the next one, out of the rule, or a verdict. */
type Step = 'next' | 'break' | Verdict;

/** One packet on its way through the rules of a hook: registers, and what rules changed of it. */
export class PacketRun {
  mark: number;
  conntrackMark: number;
  conntrackState: ConntrackState;
  reject: Classification['reject'];
  nat: Classification['nat'];
  readonly logs: { group?: number; prefix?: string }[] = [];
  readonly #packet: RawPacket;
  readonly #context: PacketContext;
  readonly #registers = new Uint8Array(REGISTER_BYTES);
  readonly #view = viewOf(this.#registers);

  constructor(packet: RawPacket, context: PacketContext) {
    this.#packet = packet;
    this.#context = context;
    this.mark = context.mark ?? 0;
    this.conntrackMark = context.conntrackMark ?? 0;
    this.conntrackState = context.conntrackState ?? 'new';
  }

  /** The rule's verdict; undefined when it does not match or has none. */
  evaluate(rule: FakeRule, table: MetTable): Verdict | undefined {
    for (const expr of rule.exprs) {
      const step = this.#step(expr, table);
      if (step === 'break') return undefined;
      if (step !== 'next' && step.kind !== 'continue') return step;
    }
    return undefined;
  }

  #step(e: FakeRule['exprs'][number], table: MetTable): Step {
    switch (e.kind) {
      case 'meta':
        return this.#put(e.dreg, this.#meta(e.key));
      case 'metaSet':
        if (e.key === 'mark') this.mark = this.#hostU32(e.sreg);
        return 'next';
      case 'payload':
        return this.#put(e.dreg, this.#payload(e));
      case 'cmp':
        return when(comparisons[e.op](compareKeys(this.#get(e.sreg, e.data.length), e.data)));
      case 'range': {
        const value = this.#get(e.sreg, e.from.length);
        const inside = compareKeys(value, e.from) >= 0 && compareKeys(value, e.to) <= 0;
        return when(inside === (e.op === 'eq'));
      }
      case 'bitwise': {
        const value = this.#get(e.sreg, e.length);
        return this.#put(
          e.dreg,
          value.map((byte, i) => (byte & (e.mask[i] ?? 0)) ^ (e.xor[i] ?? 0)),
        );
      }
      case 'lookup':
        return this.#lookup(e, table);
      case 'ct':
        return this.#put(e.dreg, this.#conntrack(e.key));
      case 'ctSet':
        if (e.key === 'mark') this.conntrackMark = this.#hostU32(e.sreg);
        return 'next';
      case 'immediate':
        return this.#put(e.dreg, e.data);
      case 'verdict':
        return e.verdict;
      case 'counter':
        return this.#count(e);
      case 'objref':
        return this.#count(table.counters.get(e.name));
      case 'objrefMap':
        return this.#countByMap(e, table);
      case 'log':
        this.logs.push({
          ...(e.group !== undefined && { group: e.group }),
          ...(e.prefix !== undefined && { prefix: e.prefix }),
        });
        return 'next';
      case 'limit':
        return when((this.#context.limits === 'beyond') === (e.over ?? false));
      case 'masquerade':
        this.nat = { type: 'masquerade', ...this.#port(e.portMinReg) };
        return { kind: 'accept' };
      case 'nat': {
        const length = e.family === 'ip' ? 4 : 16;
        const address = e.addrMinReg === undefined ? undefined : this.#get(e.addrMinReg, length).slice();
        this.nat = { type: e.type, ...(address && { address }), ...this.#port(e.portMinReg) };
        return { kind: 'accept' };
      }
      case 'fib':
        return this.#fib(e);
      case 'notrack':
        this.conntrackState = 'untracked';
        return 'next';
      case 'reject':
        this.reject = { type: e.type, ...(e.code !== undefined && { code: e.code }) };
        return { kind: 'drop' };
      case 'unknown':
        throw new Error(`Cannot evaluate expression: name is "${e.name}"; allowed: the kinds of Expr`);
    }
  }

  /** A register's bytes: a view. */
  #get(register: number, length: number): Uint8Array {
    const at = registerOffset(register) ?? 0;
    return this.#registers.subarray(at, at + length);
  }

  #hostU32(register: number): number {
    return this.#view.getUint32(registerOffset(register) ?? 0, LITTLE_ENDIAN);
  }

  #port(register: number | undefined): { port?: number } {
    return register === undefined ? {} : { port: viewOf(this.#get(register, 2)).getUint16(0) };
  }

  /** Fills a register, the rest of its last word with zeros; without a value the rule does not match. */
  #put(register: number, value: Uint8Array | undefined): Step {
    const at = registerOffset(register);
    if (value === undefined || at === undefined) return 'break';
    this.#registers.fill(0, at, at + ((value.length + 3) & ~3));
    this.#registers.set(value, at);
    return 'next';
  }

  #count(counter: { packets?: number; bytes?: number } | undefined): Step {
    if (counter !== undefined) {
      counter.packets = (counter.packets ?? 0) + 1;
      counter.bytes = (counter.bytes ?? 0) + this.#packet.length;
    }
    return 'next';
  }

  #countByMap(e: ExprOf<'objrefMap'>, table: MetTable): Step {
    const set = table.sets.get(e.set);
    const data = set?.find(this.#get(e.sreg, set.keyLength))?.data;
    if (data === undefined || data instanceof Uint8Array || data.kind !== 'counter') return 'break';
    return this.#count(table.counters.get(data.name));
  }

  #lookup(e: ExprOf<'lookup'>, table: MetTable): Step {
    const set = table.sets.get(e.set);
    const element = set?.find(this.#get(e.sreg, set.keyLength));
    if (element?.counter !== undefined) this.#count(element.counter);
    if (e.dreg === undefined) return when((element !== undefined) !== (e.inverted ?? false));
    const data = element?.data;
    if (data === undefined) return 'break';
    if (data instanceof Uint8Array) return this.#put(e.dreg, data);
    return data.kind === 'counter' ? 'break' : data;
  }

  #payload({ base, offset, length }: ExprOf<'payload'>): Uint8Array | undefined {
    const header = this.#packet[base];
    return offset + length <= header.length ? header.subarray(offset, offset + length) : undefined;
  }

  #meta(key: MetaKey): Uint8Array | undefined {
    const { iif, oif } = this.#context;
    switch (key) {
      case 'iifname':
        return nameBytes(interfaceOf(iif)?.name ?? '');
      case 'oifname':
        return nameBytes(interfaceOf(oif)?.name ?? '');
      case 'iif':
        return u32(interfaceOf(iif)?.index ?? 0);
      case 'oif':
        return u32(interfaceOf(oif)?.index ?? 0);
      case 'iifgroup':
        return u32(interfaceOf(iif)?.group ?? 0);
      case 'oifgroup':
        return u32(interfaceOf(oif)?.group ?? 0);
      case 'iifkind':
        return nameBytes(interfaceOf(iif)?.kind ?? '');
      case 'oifkind':
        return nameBytes(interfaceOf(oif)?.kind ?? '');
      case 'mark':
        return u32(this.mark);
      case 'len':
        return u32(this.#packet.length);
      case 'nfproto':
        return Uint8Array.of(nfprotoByEtherType[this.#packet.etherType] ?? 0);
      case 'l4proto':
        return this.#packet.l4proto === undefined ? undefined : Uint8Array.of(this.#packet.l4proto);
      case 'protocol':
        return Uint8Array.of(this.#packet.etherType >> 8, this.#packet.etherType & 0xff);
      case 'pkttype':
        return Uint8Array.of(packetTypes[this.#context.packetType ?? 'host']);
      default:
        throw new Error(`Cannot evaluate meta: key is "${key}"; allowed: what PacketContext tells`);
    }
  }

  /** linux/net/netfilter/nft_ct.c: without an entry only `ct state` has a value. */
  #conntrack(key: CtKey): Uint8Array | undefined {
    const state = this.conntrackState;
    if (key === 'state') return u32(ctStates[state]);
    if (state === 'invalid' || state === 'untracked') return undefined;
    const { conntrackStatus = 0, conntrackDirection = 'original' } = this.#context;
    switch (key) {
      case 'status':
        return u32(conntrackStatus);
      case 'mark':
        return u32(this.conntrackMark);
      case 'direction':
        return Uint8Array.of(conntrackDirection === 'original' ? 0 : 1);
      case 'protocol':
        return Uint8Array.of(this.#packet.l4proto ?? 0);
      default:
        throw new Error(`Cannot evaluate ct: key is "${key}"; allowed: what PacketContext tells`);
    }
  }

  #fib({ result, flags, dreg, present }: ExprOf<'fib'>): Step {
    const { fib, iif, oif } = this.#context;
    if (fib === undefined) throw new Error('Cannot evaluate fib: context.fib is absent; allowed: a function');
    const isSource = flags.includes('saddr');
    const isV4 = this.#packet.etherType === 0x0800;
    const [start, length] = isV4 ? [isSource ? 12 : 16, 4] : [isSource ? 8 : 24, 16];
    const [iifName, oifName] = [interfaceOf(iif)?.name, interfaceOf(oif)?.name];
    const question: FibQuestion = {
      address: this.#packet.network.subarray(start, start + length),
      isSource,
      ...(flags.includes('mark') && { mark: this.mark }),
      ...(flags.includes('iif') && iifName !== undefined && { iif: iifName }),
      ...(flags.includes('oif') && oifName !== undefined && { oif: oifName }),
    };
    const answer = fib(question);
    if (result === 'type') return this.#put(dreg, u32(answer === undefined ? 0 : routeTypes[answer.type]));
    if (present) return this.#put(dreg, u32(answer?.oif === undefined ? 0 : 1));
    if (result === 'oifname') return this.#put(dreg, nameBytes(answer?.oif?.name ?? ''));
    return this.#put(dreg, u32(answer?.oif?.index ?? 0));
  }
}

function when(matches: boolean): Step {
  return matches ? 'next' : 'break';
}

function interfaceOf(given: string | FakeInterface | undefined): FakeInterface | undefined {
  return typeof given === 'string' ? { name: given } : given;
}

function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(16);
  encoder.encodeInto(name, bytes.subarray(0, 15));
  return bytes;
}

/** Host order, as the kernel keeps it in a register. */
function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, LITTLE_ENDIAN);
  return bytes;
}

import { addrFromBytes, printAddr } from '@calico/ip';
import { LITTLE_ENDIAN, viewOf } from '../netlink/index.ts';
import { fieldsOf, paddedLength, printField, printHex } from './field-type.ts';
import { type NetworkProtocol, payloadName } from './payload-fields.ts';
import { ctLength, metaLength, registerOffset } from './registers.ts';
import type { CmpOp, CtKey, Expr, ExprOf, FieldType, MetaKey, SetSpec, TableFamily } from './types.ts';
import { printVerdict } from './verdict.ts';

/** What a register holds, in nft's words. */
interface Held {
  readonly text: string;
  /** Bytes. */
  readonly length: number;
  readonly type?: FieldType | 'fib_type' | 'boolean';
  /** A constant, printed as its reader's type wants it. */
  readonly literal?: Uint8Array;
  /** text & mask ^ xor, not yet printed. */
  readonly masked?: { readonly of: Held; readonly mask: Uint8Array; readonly xor: Uint8Array };
}

export interface PrintContext {
  readonly family: TableFamily;
  /** Tells what keys a lookup takes; without it, what was loaded for it. */
  readonly setOf?: (name: string) => SetSpec | undefined;
}

const metaTypes: Partial<Record<MetaKey, FieldType>> = {
  mark: 'mark',
  iif: 'iface_index',
  oif: 'iface_index',
  iifname: 'ifname',
  oifname: 'ifname',
  nfproto: 'nf_proto',
  l4proto: 'inet_proto',
  pkttype: 'pkt_type',
};
/** nft leaves the word meta away for these. */
const bareMeta: ReadonlySet<MetaKey> = new Set<MetaKey>(['iif', 'oif', 'iifname', 'oifname', 'iifgroup', 'oifgroup']);
const ctTypes: Partial<Record<CtKey, FieldType>> = {
  state: 'ct_state',
  mark: 'mark',
  protocol: 'inet_proto',
  srcIp: 'ipv4_addr',
  dstIp: 'ipv4_addr',
  srcIp6: 'ipv6_addr',
  dstIp6: 'ipv6_addr',
  protoSrc: 'inet_service',
  protoDst: 'inet_service',
};
const ctNames: Partial<Record<CtKey, string>> = {
  srcIp: 'ip saddr',
  dstIp: 'ip daddr',
  srcIp6: 'ip6 saddr',
  dstIp6: 'ip6 daddr',
  protoSrc: 'proto-src',
  protoDst: 'proto-dst',
};
const cmpSigns: Readonly<Record<CmpOp, string>> = { eq: '', neq: '!= ', lt: '< ', lte: '<= ', gt: '> ', gte: '>= ' };
// linux/rtnetlink.h RTN_*
const routeTypes = ['unspec', 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole', 'unreachable'];
const icmpxCodes = ['no-route', 'port-unreachable', 'host-unreachable', 'admin-prohibited'];
const networkByNfproto: Readonly<Record<number, NetworkProtocol>> = { 2: 'ip', 10: 'ip6' };

/**
 * A rule in one line, as `nft list` has it where the expressions are of the forms that nft makes; else what each register
 * holds, spelled out. Counters are printed without their numbers.
 */
export function printRule(exprs: readonly Expr[], context: PrintContext, comment?: string): string {
  const printer = new RulePrinter(context);
  for (const expr of exprs) printer.add(expr);
  const statements = printer.statements();
  if (comment !== undefined) statements.push(`comment "${comment}"`);
  return statements.join(' ');
}

class RulePrinter {
  readonly #context: PrintContext;
  readonly #statements: (string | undefined)[] = [];
  /** By byte in the register file. */
  readonly #registers = new Map<number, Held>();
  /** Where loaded values wait for their first reader. */
  readonly #unread = new Set<number>();
  #network: NetworkProtocol | undefined;
  #transport: number | undefined;
  /** Statements that a later field's name may make superfluous. */
  readonly #implied: { network?: number; transport?: number } = {};
  /** The last `>=`, which a `<=` of the same value makes a range. */
  #atLeast: { readonly symbol: Held; readonly data: Uint8Array; readonly statement: number } | undefined;

  constructor(context: PrintContext) {
    this.#context = context;
    if (context.family !== 'inet') this.#network = context.family;
  }

  statements(): string[] {
    for (const at of [...this.#unread].sort((a, b) => a - b)) {
      const symbol = this.#registers.get(at);
      if (symbol !== undefined) this.#statements.push(`[ ${textOf(symbol)} => ${registerName(at)} ]`);
    }
    return this.#statements.filter(statement => statement !== undefined);
  }

  add(e: Expr): void {
    switch (e.kind) {
      case 'meta':
        this.#load(e.dreg, metaSymbol(e.key));
        break;
      case 'payload': {
        const { text, type, implies } = payloadName(e, this.#network, this.#transport);
        const statement = implies && this.#implied[implies];
        if (statement !== undefined) this.#statements[statement] = undefined;
        this.#load(e.dreg, { text, length: e.length, ...(type && { type }) });
        break;
      }
      case 'ct':
        this.#load(e.dreg, ctSymbol(e));
        break;
      case 'fib':
        this.#load(e.dreg, fibSymbol(e));
        break;
      case 'immediate':
        this.#load(e.dreg, { text: printHex(e.data), length: e.data.length, literal: e.data });
        break;
      case 'bitwise': {
        const of = this.#read(e.sreg, e.length);
        this.#load(e.dreg, { ...of, length: e.length, masked: { of, mask: e.mask, xor: e.xor } });
        break;
      }
      case 'cmp':
        this.#compare(e, this.#read(e.sreg, e.data.length));
        break;
      case 'range': {
        const symbol = this.#read(e.sreg, e.from.length);
        const range = `${printValue(symbol, e.from)}-${printValue(symbol, e.to)}`;
        this.#say(`${textOf(symbol)} ${e.op === 'neq' ? '!= ' : ''}${range}`);
        break;
      }
      case 'lookup':
        this.#lookup(e);
        break;
      case 'objrefMap':
        this.#say(`counter name ${this.#key(e.sreg, e.set)} map @${e.set}`);
        break;
      case 'metaSet':
        this.#say(`meta ${e.key} set ${this.#value(e.sreg, 4, metaTypes[e.key])}`);
        break;
      case 'ctSet':
        this.#say(`ct ${e.key} set ${this.#value(e.sreg, 4, ctTypes[e.key])}`);
        break;
      case 'masquerade':
        this.#say(`masquerade${this.#ports(e, ' to ')}${printNatFlags(e)}`);
        break;
      case 'nat': {
        const type = e.family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
        const range = [e.addrMinReg, e.addrMaxReg].flatMap(r => (r === undefined ? [] : this.#value(r, 16, type)));
        this.#say(`${e.type} ${e.family} to ${range.join('-')}${this.#ports(e, '')}${printNatFlags(e)}`);
        break;
      }
      default:
        this.#say(printPlain(e));
        break;
    }
  }

  #say(text: string): void {
    this.#statements.push(text);
  }

  #load(register: number, symbol: Held): void {
    const at = registerOffset(register);
    if (at === undefined) return;
    this.#registers.set(at, symbol);
    this.#unread.add(at);
  }

  #read(register: number, length: number): Held {
    const at = registerOffset(register) ?? -1;
    this.#unread.delete(at);
    return this.#registers.get(at) ?? { text: registerName(at), length };
  }

  /** A register as the value of an assignment. */
  #value(register: number, length: number, type: FieldType | undefined): string {
    const symbol = this.#read(register, length);
    return symbol.literal === undefined ? textOf(symbol) : printField(type, symbol.literal);
  }

  #ports(e: ExprOf<'masquerade'> | ExprOf<'nat'>, lead: string): string {
    if (e.portMinReg === undefined) return '';
    const ports = [e.portMinReg, ...(e.portMaxReg === undefined ? [] : [e.portMaxReg])];
    return `${lead}:${ports.map(port => this.#value(port, 2, 'inet_service')).join('-')}`;
  }

  #compare({ op, data }: ExprOf<'cmp'>, symbol: Held): void {
    const atLeast = this.#atLeast;
    this.#atLeast = undefined;
    if (op === 'lte' && atLeast?.symbol === symbol && atLeast.statement === this.#statements.length - 1) {
      const range = `${printValue(symbol, atLeast.data)}-${printValue(symbol, data)}`;
      this.#statements[atLeast.statement] = `${textOf(symbol)} ${range}`;
      return;
    }
    this.#say(printComparison(symbol, op, data));
    if (op === 'gte') this.#atLeast = { symbol, data, statement: this.#statements.length - 1 };
    if (op === 'eq' && symbol.masked === undefined) this.#learn(symbol, data);
  }

  /** A match on the protocol names the header fields that follow. */
  #learn(symbol: Held, data: Uint8Array): void {
    const statement = this.#statements.length - 1;
    if (symbol.text === 'meta nfproto') {
      this.#network = networkByNfproto[data[0] ?? 0];
      this.#implied.network = statement;
    } else if (symbol.text === 'meta l4proto') {
      this.#transport = data[0];
      this.#implied.transport = statement;
    }
  }

  #lookup(e: ExprOf<'lookup'>): void {
    const key = this.#key(e.sreg, e.set);
    if (e.dreg === undefined) this.#say(`${key} ${e.inverted ? '!= ' : ''}@${e.set}`);
    else if (e.dreg === 0) this.#say(`${key} vmap @${e.set}`);
    else this.#load(e.dreg, { text: `${key} map @${e.set}`, length: 4 });
  }

  /** The fields of a lookup's key, from the register on. */
  #key(register: number, set: string): string {
    const start = registerOffset(register) ?? 0;
    const fields = fieldsOf(this.#context.setOf?.(set)?.keyType ?? []);
    const parts: string[] = [];
    let at = start;
    const take = (length: number): void => {
      this.#unread.delete(at);
      const symbol = this.#registers.get(at);
      parts.push(symbol === undefined ? registerName(at) : textOf(symbol));
      at += length;
    };
    for (const field of fields) take(paddedLength(field));
    // Without the set's type: what was loaded side by side and not yet read.
    if (fields.length > 0) return parts.join(' . ');
    do take(((this.#registers.get(at)?.length ?? 4) + 3) & ~3);
    while (this.#unread.has(at));
    return parts.join(' . ');
  }
}

/** A register by the number the kernel gives it. */
function registerName(at: number): string {
  return at % 16 === 0 ? `reg ${at / 16 + 1}` : `reg ${at / 4 + 8}`;
}

function metaSymbol(key: MetaKey): Held {
  const type = metaTypes[key];
  return { text: bareMeta.has(key) ? key : `meta ${key}`, length: metaLength(key), ...(type && { type }) };
}

function ctSymbol(e: ExprOf<'ct'>): Held {
  const type = ctTypes[e.key];
  const direction = e.direction === undefined ? '' : `${e.direction} `;
  return { text: `ct ${direction}${ctNames[e.key] ?? e.key}`, length: ctLength(e.key), ...(type && { type }) };
}

function fibSymbol(e: ExprOf<'fib'>): Held {
  const types = { oif: 'iface_index', oifname: 'ifname', type: 'fib_type' } as const;
  return {
    text: `fib ${e.flags.join(' . ')} ${e.result}`,
    length: e.result === 'oifname' && !e.present ? 16 : 4,
    type: e.present ? 'boolean' : types[e.result],
  };
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0);
}

/** Length of the prefix that the mask is, in bits; undefined for any other mask. */
function prefixLength(mask: Uint8Array): number | undefined {
  const bits = [...mask].map(byte => byte.toString(2).padStart(8, '0')).join('');
  const ones = bits.indexOf('0') < 0 ? bits.length : bits.indexOf('0');
  return bits.includes('1', ones) ? undefined : ones;
}

/** A value as its register's type prints it. */
function printValue({ type }: Held, data: Uint8Array): string {
  if (type === 'boolean') return isZero(data) ? 'missing' : 'exists';
  if (type === 'fib_type') {
    const number = viewOf(data).getUint32(0, LITTLE_ENDIAN);
    return routeTypes[number] ?? `${number}`;
  }
  return printField(type, data);
}

/** What the register holds, with its mask. */
function textOf({ text, masked }: Held): string {
  if (masked === undefined) return text;
  const { of, mask, xor } = masked;
  const print = (bytes: Uint8Array) => (of.type === 'mark' ? printValue(of, bytes) : printHex(bytes));
  const inner = textOf(of);
  if (mask.every((byte, i) => byte === (~(xor[i] ?? 0) & 0xff))) return `${inner} | ${print(xor)}`;
  const and = mask.every(byte => byte === 0xff) ? inner : `${inner} & ${print(mask)}`;
  return isZero(xor) ? and : `${and} ^ ${print(xor)}`;
}

function printComparison(symbol: Held, op: CmpOp, data: Uint8Array): string {
  const { masked } = symbol;
  const plain = masked !== undefined && isZero(masked.xor) && (op === 'eq' || op === 'neq') ? masked : undefined;
  if (plain?.of.type === 'ct_state' && isZero(data)) {
    return `${textOf(plain.of)} ${op === 'eq' ? '! ' : ''}${printValue(plain.of, plain.mask)}`;
  }
  const length = plain && prefixLength(plain.mask);
  if (plain !== undefined && length !== undefined && (plain.of.type === 'ipv4_addr' || plain.of.type === 'ipv6_addr')) {
    return `${textOf(plain.of)} ${cmpSigns[op]}${printAddr(addrFromBytes(data))}/${length}`;
  }
  if (masked !== undefined) {
    const value = masked.of.type === 'mark' ? printValue(masked.of, data) : printHex(data);
    return `${textOf(symbol)} ${op === 'eq' ? '== ' : cmpSigns[op]}${value}`;
  }
  return `${symbol.text} ${cmpSigns[op]}${printValue(symbol, data)}`;
}

function printNatFlags(e: ExprOf<'masquerade'> | ExprOf<'nat'>): string {
  return `${e.random ? ' random' : ''}${e.randomFully ? ' fully-random' : ''}${e.persistent ? ' persistent' : ''}`;
}

type PlainExpr = ExprOf<'verdict' | 'counter' | 'objref' | 'log' | 'limit' | 'notrack' | 'reject' | 'unknown'>;

/** The expressions that read no register. */
function printPlain(e: PlainExpr): string {
  switch (e.kind) {
    case 'verdict':
      return printVerdict(e.verdict);
    case 'objref':
      return `counter name "${e.name}"`;
    case 'log':
      return printLog(e);
    case 'limit': {
      const unit = e.bytes ? ' bytes' : '';
      return `limit rate ${e.over ? 'over ' : ''}${e.rate}${unit}/${e.unit} burst ${e.burst}${unit || ' packets'}`;
    }
    case 'reject': {
      if (e.type === 'tcpReset') return 'reject with tcp reset';
      const code = e.code ?? 0;
      return `reject with ${e.type} ${e.type === 'icmpx' ? (icmpxCodes[code] ?? code) : code}`;
    }
    case 'unknown':
      return `[ ${e.name} ${printHex(e.data)} ]`;
    default:
      return e.kind;
  }
}

function printLog(e: ExprOf<'log'>): string {
  const words = ['log'];
  if (e.prefix !== undefined) words.push(`prefix "${e.prefix}"`);
  if (e.level !== undefined) words.push(`level ${e.level}`);
  if (e.group !== undefined) words.push(`group ${e.group}`);
  if (e.snaplen !== undefined) words.push(`snaplen ${e.snaplen}`);
  if (e.queueThreshold !== undefined) words.push(`queue-threshold ${e.queueThreshold}`);
  return words.join(' ');
}

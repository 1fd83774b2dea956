import { Attributes } from '../netlink/index.ts';
import * as nft from './constants.ts';
import {
  cmpOps,
  ctDirections,
  ctKeys,
  fibFlags,
  fibResults,
  limitUnits,
  metaKeys,
  natTypes,
  payloadBases,
  rangeOps,
  rejectTypes,
} from './expr-numbers.ts';
import type { Expr, FibFlag } from './types.ts';
import { decodeVerdict } from './verdict.ts';

/** The value inside a data attribute; empty where there is none. */
export function decodeData(attributes: Attributes, type: number): Uint8Array {
  return attributes.nest(type)?.bytes(nft.NFTA_DATA_VALUE) ?? new Uint8Array(0);
}

/** NFTA_COUNTER_*: exact up to 2^53. */
export function decodeCounter(attributes: Attributes): { packets: number; bytes: number } {
  return {
    packets: Number(attributes.u64be(nft.NFTA_COUNTER_PACKETS) ?? 0n),
    bytes: Number(attributes.u64be(nft.NFTA_COUNTER_BYTES) ?? 0n),
  };
}

interface NatFlags {
  randomFully?: true;
  random?: true;
  persistent?: true;
}

function decodeNatFlags(bits: number | undefined): NatFlags {
  const flags: NatFlags = {};
  if (bits === undefined) return flags;
  if ((bits & nft.NF_NAT_RANGE_PROTO_RANDOM_FULLY) !== 0) flags.randomFully = true;
  if ((bits & nft.NF_NAT_RANGE_PROTO_RANDOM) !== 0) flags.random = true;
  if ((bits & nft.NF_NAT_RANGE_PERSISTENT) !== 0) flags.persistent = true;
  return flags;
}

/** A pair of registers; the kernel repeats the first as the last where only one was given. */
function decodeRange<First extends string, Last extends string>(
  first: First,
  last: Last,
  min: number | undefined,
  max: number | undefined,
): { [K in First | Last]?: number } {
  const range: { [K in First | Last]?: number } = {};
  if (min !== undefined) range[first] = min;
  if (max !== undefined && max !== min) range[last] = max;
  return range;
}

/** Each kernel name's decoder; undefined: a form that is not known here. */
const decoders: Readonly<Record<string, (a: Attributes) => Expr | undefined>> = {
  meta: a => {
    const key = metaKeys.byNumber.get(a.u32be(nft.NFTA_META_KEY) ?? -1);
    const sreg = a.u32be(nft.NFTA_META_SREG);
    if (key === undefined) return undefined;
    return sreg === undefined
      ? { kind: 'meta', key, dreg: a.u32be(nft.NFTA_META_DREG) ?? 0 }
      : { kind: 'metaSet', key, sreg };
  },
  payload: a => {
    const base = payloadBases.byNumber.get(a.u32be(nft.NFTA_PAYLOAD_BASE) ?? -1);
    if (base === undefined || a.has(nft.NFTA_PAYLOAD_SREG)) return undefined;
    return {
      kind: 'payload',
      base,
      offset: a.u32be(nft.NFTA_PAYLOAD_OFFSET) ?? 0,
      length: a.u32be(nft.NFTA_PAYLOAD_LEN) ?? 0,
      dreg: a.u32be(nft.NFTA_PAYLOAD_DREG) ?? 0,
    };
  },
  cmp: a => {
    const op = cmpOps.byNumber.get(a.u32be(nft.NFTA_CMP_OP) ?? -1);
    if (op === undefined) return undefined;
    return { kind: 'cmp', op, sreg: a.u32be(nft.NFTA_CMP_SREG) ?? 0, data: decodeData(a, nft.NFTA_CMP_DATA) };
  },
  range: a => {
    const op = rangeOps.byNumber.get(a.u32be(nft.NFTA_RANGE_OP) ?? -1);
    if (op === undefined) return undefined;
    return {
      kind: 'range',
      op,
      sreg: a.u32be(nft.NFTA_RANGE_SREG) ?? 0,
      from: decodeData(a, nft.NFTA_RANGE_FROM_DATA),
      to: decodeData(a, nft.NFTA_RANGE_TO_DATA),
    };
  },
  bitwise: a => {
    // enum nft_bitwise_ops: 0 is mask and xor; shifts are not known here.
    if ((a.u32be(nft.NFTA_BITWISE_OP) ?? 0) !== 0) return undefined;
    return {
      kind: 'bitwise',
      sreg: a.u32be(nft.NFTA_BITWISE_SREG) ?? 0,
      dreg: a.u32be(nft.NFTA_BITWISE_DREG) ?? 0,
      length: a.u32be(nft.NFTA_BITWISE_LEN) ?? 0,
      mask: decodeData(a, nft.NFTA_BITWISE_MASK),
      xor: decodeData(a, nft.NFTA_BITWISE_XOR),
    };
  },
  lookup: a => {
    const dreg = a.u32be(nft.NFTA_LOOKUP_DREG);
    const inverted = ((a.u32be(nft.NFTA_LOOKUP_FLAGS) ?? 0) & nft.NFT_LOOKUP_F_INV) !== 0;
    return {
      kind: 'lookup',
      set: a.string(nft.NFTA_LOOKUP_SET) ?? '',
      sreg: a.u32be(nft.NFTA_LOOKUP_SREG) ?? 0,
      ...(dreg !== undefined && { dreg }),
      ...(inverted && { inverted }),
    };
  },
  ct: a => {
    const key = ctKeys.byNumber.get(a.u32be(nft.NFTA_CT_KEY) ?? -1);
    const sreg = a.u32be(nft.NFTA_CT_SREG);
    if (key === undefined) return undefined;
    if (sreg !== undefined) return { kind: 'ctSet', key, sreg };
    const direction = ctDirections.byNumber.get(a.u8(nft.NFTA_CT_DIRECTION) ?? -1);
    return { kind: 'ct', key, dreg: a.u32be(nft.NFTA_CT_DREG) ?? 0, ...(direction !== undefined && { direction }) };
  },
  immediate: a => {
    const dreg = a.u32be(nft.NFTA_IMMEDIATE_DREG) ?? 0;
    if (dreg !== 0) return { kind: 'immediate', dreg, data: decodeData(a, nft.NFTA_IMMEDIATE_DATA) };
    const payload = a.nest(nft.NFTA_IMMEDIATE_DATA)?.bytes(nft.NFTA_DATA_VERDICT);
    const verdict = payload && decodeVerdict(payload);
    return verdict && { kind: 'verdict', verdict };
  },
  counter: a => ({ kind: 'counter', ...decodeCounter(a) }),
  objref: a => {
    const set = a.string(nft.NFTA_OBJREF_SET_NAME);
    if (set !== undefined) return { kind: 'objrefMap', set, sreg: a.u32be(nft.NFTA_OBJREF_SET_SREG) ?? 0 };
    if (a.u32be(nft.NFTA_OBJREF_IMM_TYPE) !== nft.NFT_OBJECT_COUNTER) return undefined;
    return { kind: 'objref', type: 'counter', name: a.string(nft.NFTA_OBJREF_IMM_NAME) ?? '' };
  },
  log: a => {
    const group = a.u16be(nft.NFTA_LOG_GROUP);
    const prefix = a.string(nft.NFTA_LOG_PREFIX);
    const snaplen = a.u32be(nft.NFTA_LOG_SNAPLEN);
    const queueThreshold = a.u16be(nft.NFTA_LOG_QTHRESHOLD);
    const level = a.u32be(nft.NFTA_LOG_LEVEL);
    return {
      kind: 'log',
      ...(group !== undefined && { group }),
      ...(prefix !== undefined && { prefix }),
      ...(snaplen !== undefined && { snaplen }),
      ...(queueThreshold !== undefined && { queueThreshold }),
      ...(level !== undefined && { level }),
    };
  },
  limit: a => {
    const unit = limitUnits.byNumber.get(Number(a.u64be(nft.NFTA_LIMIT_UNIT) ?? 0n));
    if (unit === undefined) return undefined;
    const over = ((a.u32be(nft.NFTA_LIMIT_FLAGS) ?? 0) & nft.NFT_LIMIT_F_INV) !== 0;
    const bytes = a.u32be(nft.NFTA_LIMIT_TYPE) === nft.NFT_LIMIT_PKT_BYTES;
    return {
      kind: 'limit',
      rate: Number(a.u64be(nft.NFTA_LIMIT_RATE) ?? 0n),
      unit,
      burst: a.u32be(nft.NFTA_LIMIT_BURST) ?? 0,
      ...(over && { over }),
      ...(bytes && { bytes }),
    };
  },
  masq: a => ({
    kind: 'masquerade',
    ...decodeNatFlags(a.u32be(nft.NFTA_MASQ_FLAGS)),
    ...decodeRange(
      'portMinReg',
      'portMaxReg',
      a.u32be(nft.NFTA_MASQ_REG_PROTO_MIN),
      a.u32be(nft.NFTA_MASQ_REG_PROTO_MAX),
    ),
  }),
  nat: a => {
    const type = natTypes.byNumber.get(a.u32be(nft.NFTA_NAT_TYPE) ?? -1);
    if (type === undefined) return undefined;
    return {
      kind: 'nat',
      type,
      family: a.u32be(nft.NFTA_NAT_FAMILY) === nft.NFPROTO_IPV6 ? 'ip6' : 'ip',
      ...decodeRange(
        'addrMinReg',
        'addrMaxReg',
        a.u32be(nft.NFTA_NAT_REG_ADDR_MIN),
        a.u32be(nft.NFTA_NAT_REG_ADDR_MAX),
      ),
      ...decodeRange(
        'portMinReg',
        'portMaxReg',
        a.u32be(nft.NFTA_NAT_REG_PROTO_MIN),
        a.u32be(nft.NFTA_NAT_REG_PROTO_MAX),
      ),
      ...decodeNatFlags(a.u32be(nft.NFTA_NAT_FLAGS)),
    };
  },
  fib: a => {
    const result = fibResults.byNumber.get(a.u32be(nft.NFTA_FIB_RESULT) ?? -1);
    if (result === undefined) return undefined;
    const bits = a.u32be(nft.NFTA_FIB_FLAGS) ?? 0;
    const flags = (Object.keys(fibFlags.byName) as FibFlag[]).filter(flag => (bits & fibFlags.byName[flag]) !== 0);
    const present = (bits & nft.NFTA_FIB_F_PRESENT) !== 0;
    return { kind: 'fib', result, flags, dreg: a.u32be(nft.NFTA_FIB_DREG) ?? 0, ...(present && { present }) };
  },
  notrack: () => ({ kind: 'notrack' }),
  reject: a => {
    const type = rejectTypes.byNumber.get(a.u32be(nft.NFTA_REJECT_TYPE) ?? -1);
    if (type === undefined) return undefined;
    const code = a.u8(nft.NFTA_REJECT_ICMP_CODE);
    return { kind: 'reject', type, ...(type !== 'tcpReset' && code !== undefined && { code }) };
  },
};

/** Reads one expression: the inside of a list element. What is not known here becomes kind 'unknown'. */
export function decodeExpr(payload: Uint8Array): Expr {
  const attributes = new Attributes(payload);
  const name = attributes.string(nft.NFTA_EXPR_NAME) ?? '';
  const data = attributes.bytes(nft.NFTA_EXPR_DATA) ?? new Uint8Array(0);
  const decoder = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  return decoder?.(new Attributes(data)) ?? { kind: 'unknown', name, data };
}

import type { MessageWriter } from '../netlink/index.ts';
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
import type { Expr, ExprKind, ExprOf } from './types.ts';
import { encodeVerdict } from './verdict.ts';

/** Writes a data attribute (NFTA_DATA_VALUE in a nest) of the type given. */
export function encodeData(w: MessageWriter, type: number, data: Uint8Array): void {
  w.nest(type, () => w.attr(nft.NFTA_DATA_VALUE, data));
}

/** The bits of NFTA_MASQ_FLAGS and NFTA_NAT_FLAGS. */
function natFlags(e: ExprOf<'masquerade'> | ExprOf<'nat'>): number {
  return (
    (e.random ? nft.NF_NAT_RANGE_PROTO_RANDOM : 0) |
    (e.persistent ? nft.NF_NAT_RANGE_PERSISTENT : 0) |
    (e.randomFully ? nft.NF_NAT_RANGE_PROTO_RANDOM_FULLY : 0)
  );
}

function register(w: MessageWriter, type: number, value: number | undefined): void {
  if (value !== undefined) w.attrU32be(type, value);
}

/** Each kind's name in the kernel, and what goes into its NFTA_EXPR_DATA. */
const encoders: {
  readonly [K in Exclude<ExprKind, 'unknown'>]: {
    readonly name: string;
    readonly encode: (w: MessageWriter, e: ExprOf<K>) => void;
  };
} = {
  meta: {
    name: 'meta',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_META_KEY, metaKeys.byName[e.key]).attrU32be(nft.NFTA_META_DREG, e.dreg);
    },
  },
  metaSet: {
    name: 'meta',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_META_KEY, metaKeys.byName[e.key]).attrU32be(nft.NFTA_META_SREG, e.sreg);
    },
  },
  payload: {
    name: 'payload',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_PAYLOAD_DREG, e.dreg)
        .attrU32be(nft.NFTA_PAYLOAD_BASE, payloadBases.byName[e.base])
        .attrU32be(nft.NFTA_PAYLOAD_OFFSET, e.offset)
        .attrU32be(nft.NFTA_PAYLOAD_LEN, e.length);
    },
  },
  cmp: {
    name: 'cmp',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_CMP_SREG, e.sreg).attrU32be(nft.NFTA_CMP_OP, cmpOps.byName[e.op]);
      encodeData(w, nft.NFTA_CMP_DATA, e.data);
    },
  },
  range: {
    name: 'range',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_RANGE_SREG, e.sreg).attrU32be(nft.NFTA_RANGE_OP, rangeOps.byName[e.op]);
      encodeData(w, nft.NFTA_RANGE_FROM_DATA, e.from);
      encodeData(w, nft.NFTA_RANGE_TO_DATA, e.to);
    },
  },
  bitwise: {
    name: 'bitwise',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_BITWISE_SREG, e.sreg)
        .attrU32be(nft.NFTA_BITWISE_DREG, e.dreg)
        .attrU32be(nft.NFTA_BITWISE_LEN, e.length);
      encodeData(w, nft.NFTA_BITWISE_MASK, e.mask);
      encodeData(w, nft.NFTA_BITWISE_XOR, e.xor);
    },
  },
  lookup: {
    name: 'lookup',
    encode: (w, e) => {
      w.attrString(nft.NFTA_LOOKUP_SET, e.set).attrU32be(nft.NFTA_LOOKUP_SREG, e.sreg);
      register(w, nft.NFTA_LOOKUP_DREG, e.dreg);
      if (e.inverted) w.attrU32be(nft.NFTA_LOOKUP_FLAGS, nft.NFT_LOOKUP_F_INV);
    },
  },
  ct: {
    name: 'ct',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_CT_KEY, ctKeys.byName[e.key]).attrU32be(nft.NFTA_CT_DREG, e.dreg);
      if (e.direction !== undefined) w.attrU8(nft.NFTA_CT_DIRECTION, ctDirections.byName[e.direction]);
    },
  },
  ctSet: {
    name: 'ct',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_CT_KEY, ctKeys.byName[e.key]).attrU32be(nft.NFTA_CT_SREG, e.sreg);
    },
  },
  immediate: {
    name: 'immediate',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_IMMEDIATE_DREG, e.dreg);
      encodeData(w, nft.NFTA_IMMEDIATE_DATA, e.data);
    },
  },
  verdict: {
    name: 'immediate',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_IMMEDIATE_DREG, 0);
      w.nest(nft.NFTA_IMMEDIATE_DATA, () => encodeVerdict(w, e.verdict));
    },
  },
  counter: {
    name: 'counter',
    encode: (w, e) => {
      w.attrU64be(nft.NFTA_COUNTER_BYTES, BigInt(e.bytes ?? 0));
      w.attrU64be(nft.NFTA_COUNTER_PACKETS, BigInt(e.packets ?? 0));
    },
  },
  objref: {
    name: 'objref',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_OBJREF_IMM_TYPE, nft.NFT_OBJECT_COUNTER).attrString(nft.NFTA_OBJREF_IMM_NAME, e.name);
    },
  },
  objrefMap: {
    name: 'objref',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_OBJREF_SET_SREG, e.sreg).attrString(nft.NFTA_OBJREF_SET_NAME, e.set);
    },
  },
  log: {
    name: 'log',
    encode: (w, e) => {
      if (e.group !== undefined) w.attrU16be(nft.NFTA_LOG_GROUP, e.group);
      if (e.prefix !== undefined) w.attrString(nft.NFTA_LOG_PREFIX, e.prefix);
      if (e.snaplen !== undefined) w.attrU32be(nft.NFTA_LOG_SNAPLEN, e.snaplen);
      if (e.queueThreshold !== undefined) w.attrU16be(nft.NFTA_LOG_QTHRESHOLD, e.queueThreshold);
      if (e.level !== undefined) w.attrU32be(nft.NFTA_LOG_LEVEL, e.level);
    },
  },
  limit: {
    name: 'limit',
    encode: (w, e) => {
      w.attrU64be(nft.NFTA_LIMIT_RATE, BigInt(e.rate))
        .attrU64be(nft.NFTA_LIMIT_UNIT, BigInt(limitUnits.byName[e.unit]))
        .attrU32be(nft.NFTA_LIMIT_BURST, e.burst)
        .attrU32be(nft.NFTA_LIMIT_TYPE, e.bytes ? nft.NFT_LIMIT_PKT_BYTES : nft.NFT_LIMIT_PKTS)
        .attrU32be(nft.NFTA_LIMIT_FLAGS, e.over ? nft.NFT_LIMIT_F_INV : 0);
    },
  },
  masquerade: {
    name: 'masq',
    encode: (w, e) => {
      const flags = natFlags(e);
      if (flags !== 0) w.attrU32be(nft.NFTA_MASQ_FLAGS, flags);
      register(w, nft.NFTA_MASQ_REG_PROTO_MIN, e.portMinReg);
      register(w, nft.NFTA_MASQ_REG_PROTO_MAX, e.portMaxReg);
    },
  },
  nat: {
    name: 'nat',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_NAT_TYPE, natTypes.byName[e.type]);
      w.attrU32be(nft.NFTA_NAT_FAMILY, e.family === 'ip' ? nft.NFPROTO_IPV4 : nft.NFPROTO_IPV6);
      register(w, nft.NFTA_NAT_REG_ADDR_MIN, e.addrMinReg);
      register(w, nft.NFTA_NAT_REG_ADDR_MAX, e.addrMaxReg);
      register(w, nft.NFTA_NAT_REG_PROTO_MIN, e.portMinReg);
      register(w, nft.NFTA_NAT_REG_PROTO_MAX, e.portMaxReg);
      const flags = natFlags(e);
      if (flags !== 0) w.attrU32be(nft.NFTA_NAT_FLAGS, flags);
    },
  },
  fib: {
    name: 'fib',
    encode: (w, e) => {
      const flags = e.flags.reduce((bits, flag) => bits | fibFlags.byName[flag], 0);
      w.attrU32be(nft.NFTA_FIB_DREG, e.dreg)
        .attrU32be(nft.NFTA_FIB_RESULT, fibResults.byName[e.result])
        .attrU32be(nft.NFTA_FIB_FLAGS, flags | (e.present ? nft.NFTA_FIB_F_PRESENT : 0));
    },
  },
  notrack: { name: 'notrack', encode: () => {} },
  reject: {
    name: 'reject',
    encode: (w, e) => {
      w.attrU32be(nft.NFTA_REJECT_TYPE, rejectTypes.byName[e.type]);
      if (e.type !== 'tcpReset') w.attrU8(nft.NFTA_REJECT_ICMP_CODE, e.code ?? 0);
    },
  },
};

function encodeKind<K extends Exclude<ExprKind, 'unknown'>>(w: MessageWriter, kind: K, e: ExprOf<K>): void {
  const { name, encode } = encoders[kind];
  w.attrString(nft.NFTA_EXPR_NAME, name);
  w.nest(nft.NFTA_EXPR_DATA, () => encode(w, e));
}

/** Writes one expression's name and data: the inside of a list element or of NFTA_SET_EXPR. */
export function encodeExpr(w: MessageWriter, e: Expr): void {
  if (e.kind === 'unknown') {
    w.attrString(nft.NFTA_EXPR_NAME, e.name).nest(nft.NFTA_EXPR_DATA, () => w.raw(e.data));
    return;
  }
  encodeKind(w, e.kind, e);
}

import type { CmpOp, CtKey, ExprOf, FibFlag, LimitUnit, MetaKey } from './types.ts';

/** A table of names and the kernel's numbers for them, read in both directions. */
export interface Numbers<Name extends string> {
  readonly byName: Readonly<Record<Name, number>>;
  readonly byNumber: ReadonlyMap<number, Name>;
}

function numbers<Name extends string>(byName: Readonly<Record<Name, number>>): Numbers<Name> {
  const byNumber = new Map<number, Name>();
  for (const name of Object.keys(byName) as Name[]) byNumber.set(byName[name], name);
  return { byName, byNumber };
}

// enum nft_meta_keys
export const metaKeys = numbers<MetaKey>({
  len: 0,
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  iiftype: 8,
  oiftype: 9,
  skuid: 10,
  skgid: 11,
  nftrace: 12,
  nfproto: 15,
  l4proto: 16,
  pkttype: 19,
  cpu: 20,
  iifgroup: 21,
  oifgroup: 22,
  cgroup: 23,
  iifkind: 26,
  oifkind: 27,
});

// enum nft_ct_keys
export const ctKeys = numbers<CtKey>({
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  expiration: 5,
  l3proto: 7,
  protocol: 10,
  protoSrc: 11,
  protoDst: 12,
  zone: 17,
  srcIp: 19,
  dstIp: 20,
  srcIp6: 21,
  dstIp6: 22,
  id: 23,
});

// enum nft_cmp_ops
export const cmpOps = numbers<CmpOp>({ eq: 0, neq: 1, lt: 2, lte: 3, gt: 4, gte: 5 });

// enum nft_range_ops
export const rangeOps = numbers<'eq' | 'neq'>({ eq: 0, neq: 1 });

// enum nft_payload_bases
export const payloadBases = numbers<ExprOf<'payload'>['base']>({ link: 0, network: 1, transport: 2 });

/** NFTA_LIMIT_UNIT is the unit's length in seconds. */
export const limitUnits = numbers<LimitUnit>({ second: 1, minute: 60, hour: 3600, day: 86400, week: 604800 });

// enum nft_fib_result
export const fibResults = numbers<ExprOf<'fib'>['result']>({ oif: 1, oifname: 2, type: 3 });

// enum nft_fib_flags, bits
export const fibFlags = numbers<FibFlag>({ saddr: 1, daddr: 2, mark: 4, iif: 8, oif: 16 });

// enum nft_reject_types
export const rejectTypes = numbers<ExprOf<'reject'>['type']>({ icmp: 0, tcpReset: 1, icmpx: 2 });

// enum nft_nat_types
export const natTypes = numbers<'snat' | 'dnat'>({ snat: 0, dnat: 1 });

// enum ip_conntrack_dir
export const ctDirections = numbers<'original' | 'reply'>({ original: 0, reply: 1 });

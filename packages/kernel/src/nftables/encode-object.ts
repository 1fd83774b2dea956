import { type MessageWriter, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST } from '../netlink/index.ts';
import * as nft from './constants.ts';
import { encodeExpr } from './encode-expr.ts';
import { fieldLength, isConcatenation, typeId, typeLength } from './field-type.ts';
import type { ChainSpec, Expr, FieldType, Hook, SetFlag, SetSpec, TableFamily, TableName } from './types.ts';
import { encodeComment, encodeSetUserdata } from './userdata.ts';

/** The families of tables and their nfgenmsg numbers. */
export const familyNumbers: Readonly<Record<TableFamily, number>> = {
  inet: nft.NFPROTO_INET,
  ip: nft.NFPROTO_IPV4,
  arp: nft.NFPROTO_ARP,
  ip6: nft.NFPROTO_IPV6,
};

// linux/netfilter.h enum nf_inet_hooks
const inetHooks: Readonly<Record<Hook, number>> = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 };
// linux/netfilter_arp.h; other hooks do not exist there, 255 is refused by the kernel
const arpHooks: Readonly<Record<Hook, number>> = { input: 0, output: 1, forward: 2, prerouting: 255, postrouting: 255 };

/** The number of a hook in a family's tables. */
export function hookNumber(family: TableFamily, hook: Hook): number {
  return (family === 'arp' ? arpHooks : inetHooks)[hook];
}

/** The bits of NFTA_SET_FLAGS that the caller names. */
export const setFlagBits: Readonly<Record<SetFlag, number>> = {
  interval: nft.NFT_SET_INTERVAL,
  constant: nft.NFT_SET_CONSTANT,
  timeout: nft.NFT_SET_TIMEOUT,
  dynamic: nft.NFT_SET_EVAL,
};

/** One nf_tables message about the table's family; `resource` is nfgenmsg's res_id. */
export function nftMessage(w: MessageWriter, type: number, flags: number, family: number, body: () => void): void {
  w.message((nft.NFNL_SUBSYS_NFTABLES << 8) | type, NLM_F_REQUEST | flags, () => {
    w.u8(family).u8(0).u16be(0); // struct nfgenmsg: family, NFNETLINK_V0, resource id
    body();
  });
}

/** NFNL_MSG_BATCH_BEGIN or NFNL_MSG_BATCH_END, around every change. */
export function batchMark(w: MessageWriter, type: number): void {
  w.message(type, NLM_F_REQUEST, () => w.u8(nft.NFPROTO_UNSPEC).u8(0).u16be(nft.NFNL_SUBSYS_NFTABLES));
}

/** NLM_F_CREATE, and NLM_F_EXCL where an object that is there already must be refused. */
export function createFlags(create: boolean | undefined): number {
  return create ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_CREATE;
}

/** NFT_MSG_NEWTABLE with the bits of NFTA_TABLE_FLAGS. */
export function encodeTable(w: MessageWriter, table: TableName, flags: number, create: boolean | undefined): void {
  nftMessage(w, nft.NFT_MSG_NEWTABLE, createFlags(create), familyNumbers[table.family], () => {
    w.attrString(nft.NFTA_TABLE_NAME, table.name).attrU32be(nft.NFTA_TABLE_FLAGS, flags);
  });
}

/** NFT_MSG_NEWCHAIN. Throws RangeError for a comment that is too long, as all with comments do. */
export function encodeChain(w: MessageWriter, table: TableName, chain: ChainSpec, create: boolean | undefined): void {
  nftMessage(w, nft.NFT_MSG_NEWCHAIN, createFlags(create), familyNumbers[table.family], () => {
    w.attrString(nft.NFTA_CHAIN_TABLE, table.name).attrString(nft.NFTA_CHAIN_NAME, chain.name);
    const { hook, comment } = chain;
    if (hook !== undefined) {
      w.nest(nft.NFTA_CHAIN_HOOK, () => {
        w.attrU32be(nft.NFTA_HOOK_HOOKNUM, hookNumber(table.family, hook));
        w.attrU32be(nft.NFTA_HOOK_PRIORITY, (chain.priority ?? 0) >>> 0);
      });
      w.attrU32be(nft.NFTA_CHAIN_POLICY, chain.policy === 'drop' ? nft.NF_DROP : nft.NF_ACCEPT);
      w.attrString(nft.NFTA_CHAIN_TYPE, chain.type ?? 'filter');
    }
    if (comment !== undefined) w.attr(nft.NFTA_CHAIN_USERDATA, encodeComment(comment));
  });
}

/** NFT_MSG_NEWRULE, appended to the chain. */
export function encodeRule(
  w: MessageWriter,
  table: TableName,
  chain: string,
  exprs: readonly Expr[],
  comment: string | undefined,
): void {
  nftMessage(w, nft.NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, familyNumbers[table.family], () => {
    w.attrString(nft.NFTA_RULE_TABLE, table.name).attrString(nft.NFTA_RULE_CHAIN, chain);
    w.nest(nft.NFTA_RULE_EXPRESSIONS, () => {
      for (const expr of exprs) w.nest(nft.NFTA_LIST_ELEM, () => encodeExpr(w, expr));
    });
    if (comment !== undefined) w.attr(nft.NFTA_RULE_USERDATA, encodeComment(comment));
  });
}

function setFlags(set: SetSpec): number {
  let flags = set.flags.reduce((bits, flag) => bits | setFlagBits[flag], 0);
  if (set.map !== undefined) flags |= set.map === 'counter' ? nft.NFT_SET_OBJECT : nft.NFT_SET_MAP;
  if (set.flags.includes('interval') && isConcatenation(set.keyType)) flags |= nft.NFT_SET_CONCAT;
  return flags;
}

/** `id` names the set within its batch; the kernel asks for one. */
export function encodeSet(
  w: MessageWriter,
  table: TableName,
  set: SetSpec,
  id: number,
  create: boolean | undefined,
): void {
  const { keyType, map } = set;
  nftMessage(w, nft.NFT_MSG_NEWSET, createFlags(create), familyNumbers[table.family], () => {
    w.attrString(nft.NFTA_SET_TABLE, table.name)
      .attrString(nft.NFTA_SET_NAME, set.name)
      .attrU32be(nft.NFTA_SET_FLAGS, setFlags(set))
      .attrU32be(nft.NFTA_SET_KEY_TYPE, typeId(keyType))
      .attrU32be(nft.NFTA_SET_KEY_LEN, typeLength(keyType))
      .attrU32be(nft.NFTA_SET_ID, id);
    if (map === 'verdict') {
      w.attrU32be(nft.NFTA_SET_DATA_TYPE, nft.NFT_DATA_VERDICT).attrU32be(nft.NFTA_SET_DATA_LEN, 0);
    } else if (map === 'counter') {
      w.attrU32be(nft.NFTA_SET_OBJ_TYPE, nft.NFT_OBJECT_COUNTER);
    } else if (map !== undefined) {
      w.attrU32be(nft.NFTA_SET_DATA_TYPE, typeId(map.type)).attrU32be(nft.NFTA_SET_DATA_LEN, typeLength(map.type));
    }
    const ranges = set.flags.includes('interval') && isConcatenation(keyType) ? keyType : undefined;
    if (set.size !== undefined || ranges !== undefined) {
      w.nest(nft.NFTA_SET_DESC, () => encodeDescription(w, set.size, ranges));
    }
    if (set.timeout !== undefined) w.attrU64be(nft.NFTA_SET_TIMEOUT, BigInt(set.timeout));
    if (set.counters) w.nest(nft.NFTA_SET_EXPR, () => encodeExpr(w, { kind: 'counter' }));
    w.attr(nft.NFTA_SET_USERDATA, encodeSetUserdata(set));
  });
}

/** The inside of NFTA_SET_DESC: the most elements, and the fields of a concatenation with intervals. */
function encodeDescription(w: MessageWriter, size: number | undefined, ranges: readonly FieldType[] | undefined): void {
  if (size !== undefined) w.attrU32be(nft.NFTA_SET_DESC_SIZE, size);
  if (ranges === undefined) return;
  w.nest(nft.NFTA_SET_DESC_CONCAT, () => {
    for (const field of ranges) {
      w.nest(nft.NFTA_LIST_ELEM, () => w.attrU32be(nft.NFTA_SET_FIELD_LEN, fieldLength(field)));
    }
  });
}

/** NFT_MSG_NEWOBJ of a counter at zero. */
export function encodeCounter(w: MessageWriter, table: TableName, name: string, create: boolean | undefined): void {
  nftMessage(w, nft.NFT_MSG_NEWOBJ, createFlags(create), familyNumbers[table.family], () => {
    w.attrString(nft.NFTA_OBJ_TABLE, table.name)
      .attrString(nft.NFTA_OBJ_NAME, name)
      .attrU32be(nft.NFTA_OBJ_TYPE, nft.NFT_OBJECT_COUNTER)
      .nest(nft.NFTA_OBJ_DATA, () => {});
  });
}

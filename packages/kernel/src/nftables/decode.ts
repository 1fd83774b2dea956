import { Attributes, eachAttribute, type NetlinkMessage } from '../netlink/index.ts';
import * as nft from './constants.ts';
import { decodeCounter, decodeExpr } from './decode-expr.ts';
import { elementForm } from './encode-elements.ts';
import { familyNumbers, hookNumber, setFlagBits } from './encode-object.ts';
import { typeOfId } from './field-type.ts';
import { compareKeys, keysEqual, previousKey } from './keys.ts';
import type {
  ChainSpec,
  CounterDump,
  CounterRef,
  Element,
  Expr,
  FieldType,
  Hook,
  RuleDump,
  SetFlag,
  SetSpec,
  SetType,
  TableFamily,
  TableName,
  Verdict,
} from './types.ts';
import { decodeComment, SET_COMMENT } from './userdata.ts';
import { decodeVerdict } from './verdict.ts';

const families = new Map<number, TableFamily>();
for (const family of Object.keys(familyNumbers) as TableFamily[]) families.set(familyNumbers[family], family);

const hooks: readonly Hook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
const setFlagNames: readonly SetFlag[] = ['interval', 'constant', 'timeout', 'dynamic'];

/** The attributes behind nfgenmsg. */
export function attributesOf(message: NetlinkMessage): Attributes {
  return new Attributes(message.payload.subarray(nft.NFGENMSG_LEN));
}

export interface TableInfo {
  readonly table: TableName;
  /** Port of the netlink socket that owns the table. */
  readonly ownerPort?: number;
  readonly persist: boolean;
}

/**
 * The table that a message of any kind is about: its name is attribute 1 of each (NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, …).
 * undefined for a family not known here, such as bridge.
 */
export function decodeTableName(message: NetlinkMessage): TableName | undefined {
  const family = families.get(message.payload[0] ?? 0);
  const name = attributesOf(message).string(nft.NFTA_TABLE_NAME);
  return family === undefined || name === undefined ? undefined : { family, name };
}

/** NFT_MSG_NEWTABLE; undefined for a family not known here, such as bridge. */
export function decodeTable(message: NetlinkMessage): TableInfo | undefined {
  const family = families.get(message.payload[0] ?? 0);
  if (family === undefined) return undefined;
  const a = attributesOf(message);
  const ownerPort = a.u32be(nft.NFTA_TABLE_OWNER);
  return {
    table: { family, name: a.string(nft.NFTA_TABLE_NAME) ?? '' },
    ...(ownerPort !== undefined && { ownerPort }),
    persist: ((a.u32be(nft.NFTA_TABLE_FLAGS) ?? 0) & nft.NFT_TABLE_F_PERSIST) !== 0,
  };
}

/** NFT_MSG_NEWCHAIN of the table; undefined for a chain of another table. */
export function decodeChain(message: NetlinkMessage, table: TableName): ChainSpec | undefined {
  const a = attributesOf(message);
  if (a.string(nft.NFTA_CHAIN_TABLE) !== table.name) return undefined;
  const hook = a.nest(nft.NFTA_CHAIN_HOOK);
  const comment = decodeComment(a.bytes(nft.NFTA_CHAIN_USERDATA));
  const name = a.string(nft.NFTA_CHAIN_NAME) ?? '';
  if (hook === undefined) return { name, ...(comment !== undefined && { comment }) };
  const hooknum = hook.u32be(nft.NFTA_HOOK_HOOKNUM);
  const at = hooks.find(name => hookNumber(table.family, name) === hooknum);
  const type = a.string(nft.NFTA_CHAIN_TYPE);
  return {
    name,
    ...(at !== undefined && { hook: at }),
    type: type === 'nat' || type === 'route' ? type : 'filter',
    priority: (hook.u32be(nft.NFTA_HOOK_PRIORITY) ?? 0) | 0,
    policy: a.u32be(nft.NFTA_CHAIN_POLICY) === nft.NF_DROP ? 'drop' : 'accept',
    ...(comment !== undefined && { comment }),
  };
}

/** NFT_MSG_NEWRULE, with the name of its chain. */
export function decodeRule(message: NetlinkMessage): RuleDump & { readonly chain: string } {
  const a = attributesOf(message);
  const exprs: Expr[] = [];
  eachAttribute(a.bytes(nft.NFTA_RULE_EXPRESSIONS) ?? new Uint8Array(0), (_, payload) => {
    exprs.push(decodeExpr(payload));
  });
  const comment = decodeComment(a.bytes(nft.NFTA_RULE_USERDATA));
  return {
    chain: a.string(nft.NFTA_RULE_CHAIN) ?? '',
    handle: Number(a.u64be(nft.NFTA_RULE_HANDLE) ?? 0n),
    exprs,
    ...(comment !== undefined && { comment }),
  };
}

/** A type by nft's number; a list of bytes that fits its length where the number says nothing to us. */
function decodeType(id: number | undefined, length: number | undefined): SetType {
  const type = typeOfId(id ?? 0);
  if (type !== undefined) return type;
  const fields = Math.ceil((length ?? 4) / 4);
  return fields === 1 ? 'mark' : Array.from({ length: fields }, (): FieldType => 'mark');
}

/** NFT_MSG_NEWSET. A set of a type that has no name here gets one of `mark`s with the same length. */
export function decodeSet(message: NetlinkMessage): SetSpec {
  const a = attributesOf(message);
  const flags = a.u32be(nft.NFTA_SET_FLAGS) ?? 0;
  const size = a.nest(nft.NFTA_SET_DESC)?.u32be(nft.NFTA_SET_DESC_SIZE);
  const timeout = a.u64be(nft.NFTA_SET_TIMEOUT);
  const comment = decodeComment(a.bytes(nft.NFTA_SET_USERDATA), SET_COMMENT);
  const map = decodeMap(a, flags);
  return {
    name: a.string(nft.NFTA_SET_NAME) ?? '',
    keyType: decodeType(a.u32be(nft.NFTA_SET_KEY_TYPE), a.u32be(nft.NFTA_SET_KEY_LEN)),
    flags: setFlagNames.filter(name => (flags & setFlagBits[name]) !== 0),
    ...(map !== undefined && { map }),
    ...(a.has(nft.NFTA_SET_EXPR) && { counters: true }),
    ...(size !== undefined && { size }),
    ...(timeout !== undefined && { timeout: Number(timeout) }),
    ...(comment !== undefined && { comment }),
  };
}

function decodeMap(a: Attributes, flags: number): SetSpec['map'] {
  if ((flags & nft.NFT_SET_OBJECT) !== 0) return 'counter';
  if ((flags & nft.NFT_SET_MAP) === 0) return undefined;
  const id = a.u32be(nft.NFTA_SET_DATA_TYPE);
  return id === nft.NFT_DATA_VERDICT ? 'verdict' : { type: decodeType(id, a.u32be(nft.NFTA_SET_DATA_LEN)) };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** An element as it is listed: in a plain interval set the first of an interval, or the `end` of one. */
export interface ListedElement {
  readonly element: Mutable<Element>;
  readonly end: boolean;
}

function decodeElementData(a: Attributes): Verdict | CounterRef | Uint8Array | undefined {
  const name = a.string(nft.NFTA_SET_ELEM_OBJREF);
  if (name !== undefined) return { kind: 'counter', name };
  const data = a.nest(nft.NFTA_SET_ELEM_DATA);
  const verdict = data?.bytes(nft.NFTA_DATA_VERDICT);
  return verdict === undefined ? data?.bytes(nft.NFTA_DATA_VALUE) : decodeVerdict(verdict);
}

/** An element of nothing but a key and its data, as those of large sets are: read without tables of attributes. */
function decodePlainElement(payload: Uint8Array): ListedElement | undefined {
  let key: Uint8Array | undefined;
  let data: Verdict | Uint8Array | undefined;
  let isPlain = true;
  eachAttribute(payload, (type, value) => {
    if (type !== nft.NFTA_SET_ELEM_KEY && type !== nft.NFTA_SET_ELEM_DATA) isPlain = false;
    else {
      eachAttribute(value, (inner, bytes) => {
        if (type === nft.NFTA_SET_ELEM_KEY) key = bytes;
        else data = inner === nft.NFTA_DATA_VERDICT ? decodeVerdict(bytes) : bytes;
      });
    }
  });
  if (!isPlain || key === undefined) return undefined;
  return { element: data === undefined ? { key } : { key, data }, end: false };
}

/** One list element; undefined for the catch-all, which has no key. */
function decodeElement(payload: Uint8Array): ListedElement | undefined {
  const plain = decodePlainElement(payload);
  if (plain !== undefined) return plain;
  const a = new Attributes(payload);
  const key = a.nest(nft.NFTA_SET_ELEM_KEY)?.bytes(nft.NFTA_DATA_VALUE);
  if (key === undefined) return undefined;
  const element: Mutable<Element> = { key };
  const keyEnd = a.nest(nft.NFTA_SET_ELEM_KEY_END)?.bytes(nft.NFTA_DATA_VALUE);
  if (keyEnd !== undefined && !keysEqual(keyEnd, key)) element.keyEnd = keyEnd;
  const data = decodeElementData(a);
  if (data !== undefined) element.data = data;
  const timeout = a.u64be(nft.NFTA_SET_ELEM_TIMEOUT);
  if (timeout !== undefined) element.timeout = Number(timeout);
  const comment = decodeComment(a.bytes(nft.NFTA_SET_ELEM_USERDATA));
  if (comment !== undefined) element.comment = comment;
  const counter = a.nest(nft.NFTA_SET_ELEM_EXPR)?.nest(nft.NFTA_EXPR_DATA);
  if (counter !== undefined) element.counter = decodeCounter(counter);
  const flags = a.u32be(nft.NFTA_SET_ELEM_FLAGS) ?? 0;
  return { element, end: (flags & nft.NFT_SET_ELEM_INTERVAL_END) !== 0 };
}

/** The elements of one NFT_MSG_NEWSETELEM message, as they are listed. */
export function decodeElements(message: NetlinkMessage): ListedElement[] {
  const listed: ListedElement[] = [];
  const list = attributesOf(message).bytes(nft.NFTA_SET_ELEM_LIST_ELEMENTS);
  if (list === undefined) return listed;
  eachAttribute(list, (_, payload) => {
    const one = decodeElement(payload);
    if (one !== undefined) listed.push(one);
  });
  return listed;
}

/** What all messages of one dump have listed, as the elements of the set. */
export function joinElements(listed: ListedElement[], set: SetSpec): Element[] {
  return elementForm(set) === 'interval' ? joinIntervals(listed) : listed.map(({ element }) => element);
}

/** Firsts and ends of intervals, in any order, become elements with a last key, in order. */
function joinIntervals(marks: ListedElement[]): Element[] {
  // Where one interval ends another may begin: the end comes first.
  marks.sort((a, b) => compareKeys(a.element.key, b.element.key) || Number(b.end) - Number(a.end));
  const elements: Element[] = [];
  for (const [i, { element, end }] of marks.entries()) {
    if (end) continue;
    const next = marks[i + 1]?.element.key;
    const last = next === undefined ? new Uint8Array(element.key.length).fill(0xff) : previousKey(next);
    if (last !== undefined && !keysEqual(last, element.key)) element.keyEnd = last;
    elements.push(element);
  }
  return elements;
}

/** NFT_MSG_NEWOBJ of a counter; undefined for an object of another type. */
export function decodeCounterObject(message: NetlinkMessage): CounterDump | undefined {
  const a = attributesOf(message);
  const data = a.nest(nft.NFTA_OBJ_DATA);
  if (a.u32be(nft.NFTA_OBJ_TYPE) !== nft.NFT_OBJECT_COUNTER || data === undefined) return undefined;
  return { name: a.string(nft.NFTA_OBJ_NAME) ?? '', ...decodeCounter(data) };
}

import { errnoNumber, KernelError } from '../error.ts';
import { align4, MessageWriter } from '../netlink/index.ts';
import * as nft from './constants.ts';
import { type ElementForm, elementForm, encodeElements } from './encode-elements.ts';
import {
  batchMark,
  encodeChain,
  encodeCounter,
  encodeRule,
  encodeSet,
  encodeTable,
  familyNumbers,
  nftMessage,
} from './encode-object.ts';
import { Refusal } from './refusal.ts';
import type { Op, TableName } from './types.ts';

/** A batch as the kernel takes it in one send. */
export interface EncodedBatch {
  readonly bytes: Uint8Array;
  /** For each message between BEGIN and END, in order, the position of its operation. */
  readonly opOfMessage: readonly number[];
}

/** What encoding must know about sets that the batch itself does not add. */
export type FormOf = (set: string) => ElementForm;

interface BatchOptions {
  readonly formOf: FormOf;
  /** Whether the flags owner and persist are written; older kernels refuse them. Default true. */
  readonly ownership?: boolean;
}

/**
 * One transaction in bytes. Element lists over 60 kB take several messages. Throws RangeError
 * for a comment or a rule that does not fit its attribute, KernelError EINVAL for a range that its set cannot have.
 */
export function encodeBatch(table: TableName, ops: readonly Op[], options: BatchOptions): EncodedBatch {
  const w = new MessageWriter(4096);
  const opOfMessage: number[] = [];
  const added = new Map<string, ElementForm>();
  const formOf: FormOf = set => added.get(set) ?? options.formOf(set);
  batchMark(w, nft.NFNL_MSG_BATCH_BEGIN);
  for (const [index, op] of ops.entries()) {
    if (op.op === 'addSet') added.set(op.set.name, elementForm(op.set));
    const messages = refusing(table, ops, index, () =>
      encodeOp(w, table, op, { index, formOf, ownership: options.ownership ?? true }),
    );
    for (let i = 0; i < messages; i++) opOfMessage.push(index);
  }
  batchMark(w, nft.NFNL_MSG_BATCH_END);
  return { bytes: w.bytes(), opOfMessage };
}

/** Gives what `work` gives; its Refusal becomes a KernelError that names the operation. */
function refusing<T>(table: TableName, ops: readonly Op[], index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) throw new KernelError(refusedOp(table, ops, index), errnoNumber(error.code));
    throw error;
  }
}

interface OpContext {
  readonly index: number;
  readonly formOf: FormOf;
  readonly ownership: boolean;
}

/** Writes the messages of one operation; gives how many. */
function encodeOp(w: MessageWriter, table: TableName, op: Op, context: OpContext): number {
  switch (op.op) {
    case 'addTable': {
      const flags = (op.owner ? nft.NFT_TABLE_F_OWNER : 0) | (op.persist ? nft.NFT_TABLE_F_PERSIST : 0);
      encodeTable(w, table, context.ownership ? flags : 0, op.create);
      return 1;
    }
    case 'addChain':
      encodeChain(w, table, op.chain, op.create);
      return 1;
    case 'addRule':
      encodeRule(w, table, op.chain, op.exprs, op.comment);
      return 1;
    case 'addSet':
      encodeSet(w, table, op.set, context.index + 1, op.create);
      return 1;
    case 'addCounter':
      encodeCounter(w, table, op.name, op.create);
      return 1;
    case 'addElements':
      return encodeElements(w, table, op.set, op.elements, context.formOf(op.set), { type: 'add', create: op.create });
    case 'deleteElements':
      return encodeElements(w, table, op.set, op.elements, context.formOf(op.set), { type: 'delete' });
    default:
      encodeDelete(w, table, op);
      return 1;
  }
}

type DeleteOp = Extract<Op, { op: `delete${string}` | `flush${string}` }>;

function encodeDelete(w: MessageWriter, table: TableName, op: Exclude<DeleteOp, { op: 'deleteElements' }>): void {
  const message = (type: number, body: () => void) => nftMessage(w, type, 0, familyNumbers[table.family], body);
  switch (op.op) {
    case 'deleteTable':
      message(nft.NFT_MSG_DELTABLE, () => w.attrString(nft.NFTA_TABLE_NAME, table.name));
      return;
    case 'deleteChain':
      message(nft.NFT_MSG_DELCHAIN, () =>
        w.attrString(nft.NFTA_CHAIN_TABLE, table.name).attrString(nft.NFTA_CHAIN_NAME, op.name),
      );
      return;
    case 'flushChain':
      message(nft.NFT_MSG_DELRULE, () =>
        w.attrString(nft.NFTA_RULE_TABLE, table.name).attrString(nft.NFTA_RULE_CHAIN, op.name),
      );
      return;
    case 'deleteRule':
      message(nft.NFT_MSG_DELRULE, () =>
        w
          .attrString(nft.NFTA_RULE_TABLE, table.name)
          .attrString(nft.NFTA_RULE_CHAIN, op.chain)
          .attrU64be(nft.NFTA_RULE_HANDLE, BigInt(op.handle)),
      );
      return;
    case 'deleteSet':
      message(nft.NFT_MSG_DELSET, () =>
        w.attrString(nft.NFTA_SET_TABLE, table.name).attrString(nft.NFTA_SET_NAME, op.name),
      );
      return;
    case 'flushSet':
      message(nft.NFT_MSG_DELSETELEM, () =>
        w.attrString(nft.NFTA_SET_ELEM_LIST_TABLE, table.name).attrString(nft.NFTA_SET_ELEM_LIST_SET, op.name),
      );
      return;
    case 'deleteCounter':
      message(nft.NFT_MSG_DELOBJ, () =>
        w
          .attrString(nft.NFTA_OBJ_TABLE, table.name)
          .attrString(nft.NFTA_OBJ_NAME, op.name)
          .attrU32be(nft.NFTA_OBJ_TYPE, nft.NFT_OBJECT_COUNTER),
      );
      return;
  }
}

/** A table's name as long as names of interfaces and policies make it; for sizes asked for without the table. */
const SOME_TABLE: TableName = { family: 'inet', name: 'a-table-of-thirty-two-characters' };

/**
 * Bytes of the transaction, to be compared with the send buffer (without privileges 212,992 bytes on common kernels).
 * Without `table` its name counts as 32 characters. Elements of sets that the operations do not add count as intervals,
 * which is at most twice too much.
 */
export function batchSize(ops: readonly Op[], table: TableName = SOME_TABLE): number {
  return encodeBatch(table, ops, { formOf: () => 'interval' }).bytes.length;
}

/** Bytes that an operation takes in a batch, rather too many than too few; of most without encoding them. */
export function opSize(op: Op): number {
  if (op.op === 'addCounter' || op.op === 'deleteCounter' || op.op === 'deleteSet') return 128 + op.name.length;
  if (op.op === 'deleteChain' || op.op === 'flushChain') return 128 + op.name.length;
  if (op.op === 'addRule') return ruleSize(op);
  if (!isList(op)) return batchSize([op]);
  // Attribute headers of 4 bytes: of the element, its keys and data with their values; an interval's end is an element.
  let size = 128 + op.set.length;
  for (const { key, data, comment } of op.elements) {
    size += 2 * (align4(key.length) + 16) + 8 + (comment?.length ?? 0);
    if (data instanceof Uint8Array) size += align4(data.length) + 8;
    else if (data !== undefined)
      size += 28 + (data.kind === 'counter' ? data.name.length : 'chain' in data ? data.chain.length : 0);
  }
  // Every list of 60 kB is a message of its own.
  return size + Math.ceil(size / 60_000) * (64 + op.set.length);
}

/** The same for a rule: the headers of its message and of each expression, and what names and constants add. */
function ruleSize({ chain, exprs, comment }: Extract<Op, { op: 'addRule' }>): number {
  let size = 96 + chain.length + (comment === undefined ? 0 : comment.length + 16);
  for (const expr of exprs) {
    // Its kind is a name of up to ten characters.
    size += 32;
    for (const value of Object.values(expr)) size += valueSize(value);
  }
  return size;
}

/** Bytes of a field of an expression at most, with its attribute's header. */
function valueSize(value: unknown): number {
  if (typeof value === 'string') return 4 + value.length;
  if (value instanceof Uint8Array) return 12 + value.length;
  if (typeof value === 'object' && value !== null && 'chain' in value) return 16 + valueSize(value.chain);
  return 8;
}

/**
 * Cuts operations, in their order, into batches of at most `limit` bytes, element lists included; an operation that
 * cannot be cut and is larger stays alone. The transactions are then no longer one: only for what nothing refers to yet.
 */
export function splitOps(ops: readonly Op[], limit: number, table: TableName = SOME_TABLE): Op[][] {
  const frame = batchSize([], table);
  const batches: Op[][] = [];
  let batch: Op[] = [];
  let size = frame;
  const take = (op: Op, bytes: number): void => {
    if (frame + bytes > limit && isList(op) && op.elements.length > 1) {
      const parts = Math.ceil(bytes / (limit - frame));
      const length = Math.max(1, Math.floor(op.elements.length / (parts + 1)));
      for (let at = 0; at < op.elements.length; at += length) {
        const part = { ...op, elements: op.elements.slice(at, at + length) };
        take(part, opSizes([part], table)[0] ?? 0);
      }
      return;
    }
    if (batch.length > 0 && size + bytes > limit) {
      batches.push(batch);
      batch = [];
      size = frame;
    }
    batch.push(op);
    size += bytes;
  };
  const sizes = opSizes(ops, table);
  for (const [i, op] of ops.entries()) take(op, sizes[i] ?? 0);
  if (batch.length > 0) batches.push(batch);
  return batches;
}

function isList(op: Op): op is Extract<Op, { op: 'addElements' | 'deleteElements' }> {
  return op.op === 'addElements' || op.op === 'deleteElements';
}

/** Bytes of each operation's messages. */
function opSizes(ops: readonly Op[], table: TableName): number[] {
  const w = new MessageWriter(4096);
  return ops.map((op, index) => {
    const before = w.length;
    encodeOp(w, table, op, { index, formOf: () => 'interval', ownership: true });
    return w.length - before;
  });
}

/** An operation in words, for errors: `add rule to chain "from-pod"`. */
export function describeOp(op: Op): string {
  switch (op.op) {
    case 'addTable':
      return 'add table';
    case 'deleteTable':
      return 'delete table';
    case 'addChain':
      return `add chain "${op.chain.name}"`;
    case 'deleteChain':
      return `delete chain "${op.name}"`;
    case 'flushChain':
      return `flush chain "${op.name}"`;
    case 'addRule':
      return `add rule to chain "${op.chain}"`;
    case 'deleteRule':
      return `delete rule ${op.handle} of chain "${op.chain}"`;
    case 'addSet':
      return `add set "${op.set.name}"`;
    case 'deleteSet':
      return `delete set "${op.name}"`;
    case 'flushSet':
      return `flush set "${op.name}"`;
    case 'addElements':
      return `add ${op.elements.length} elements to set "${op.set}"`;
    case 'deleteElements':
      return `delete ${op.elements.length} elements of set "${op.set}"`;
    case 'addCounter':
      return `add counter "${op.name}"`;
    case 'deleteCounter':
      return `delete counter "${op.name}"`;
  }
}

/** What a refused operation is called in KernelError's text, alike in every form of {@link Nftables}. */
export function refusedOp(table: TableName, ops: readonly Op[], index: number): string {
  const op = ops[index];
  const what = op === undefined ? 'commit' : describeOp(op);
  return `change table ${table.family} ${table.name}: ${what} (operation ${index + 1} of ${ops.length})`;
}

import { finished } from '@calico/reconcile';
import { KernelError } from '../error.ts';
import {
  Attributes,
  eachAttribute,
  MessageWriter,
  NETLINK_NETFILTER,
  type NetlinkMessage,
  NetlinkSocket,
  type NetlinkSocketOptions,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLMSG_HDRLEN,
  STEP_BYTES,
  splitMessages,
} from '../netlink/index.ts';
import { type EncodedBatch, encodeBatch, refusedOp } from './batch.ts';
import * as nft from './constants.ts';
import {
  attributesOf,
  decodeChain,
  decodeCounterObject,
  decodeElements,
  decodeRule,
  decodeSet,
  decodeTable,
  joinElements,
  type TableInfo,
} from './decode.ts';
import { type ElementForm, elementForm } from './encode-elements.ts';
import { batchMark, familyNumbers, nftMessage } from './encode-object.ts';
import { printHex } from './field-type.ts';
import type {
  ChainDump,
  CounterDump,
  Element,
  Nftables,
  Op,
  RuleDump,
  SetDump,
  SetSpec,
  TableDump,
  TableName,
} from './types.ts';

// errno.h
const ENOENT = 2;
const EINTR = 4;
const ENOBUFS = 105;

/** A view whose parts saw changes between them is read again this often, then given up with EINTR. */
const DUMP_ATTEMPTS = 20;

/** A table name that no one else uses: the probe for owner and persist, never committed. */
const PROBE: TableName = { family: 'inet', name: 'calico-probe-of-table-flags' };

export interface LinuxNftablesOptions {
  /**
   * Called at the first use, and for each dump in steps; the sockets are closed with the handle. Default: in this thread's
   * network namespace.
   */
  readonly openSocket?: (options: NetlinkSocketOptions) => NetlinkSocket;
}

/** nf_tables of this thread's network namespace, or of the one in which `openSocket` opens. Throws KernelError. */
export function openLinuxNftables(options: LinuxNftablesOptions = {}): Nftables {
  return new LinuxNftables(options.openSocket ?? (more => new NetlinkSocket(NETLINK_NETFILTER, more)));
}

class LinuxNftables implements Nftables {
  readonly #openSocket: (options: NetlinkSocketOptions) => NetlinkSocket;
  #opened: NetlinkSocket | undefined;
  /** Whether the kernel knows the flags owner and persist together; asked at their first use. */
  #ownership: boolean | undefined;
  /** Forms of sets that were used, by table and set; forgotten at every refusal. */
  readonly #forms = new Map<string, Map<string, ElementForm>>();

  constructor(openSocket: (options: NetlinkSocketOptions) => NetlinkSocket) {
    this.#openSocket = openSocket;
  }

  get #socket(): NetlinkSocket {
    this.#opened ??= this.#openSocket({});
    return this.#opened;
  }

  transaction(table: TableName, ops: readonly Op[]): void {
    if (ops.length === 0) return;
    const forms = this.#formsOf(table);
    const ownership = !ops.some(op => op.op === 'addTable' && op.persist) || this.#knowsOwnership();
    try {
      const formOf = (set: string) => this.#formOf(table, set, forms);
      this.#send(table, ops, encodeBatch(table, ops, { ownership, formOf }));
    } catch (error) {
      forms.clear();
      throw error;
    }
    for (const op of ops) {
      if (op.op === 'deleteTable') forms.clear();
      else if (op.op === 'deleteSet') forms.delete(op.name);
      else if (op.op === 'addSet') forms.set(op.set.name, elementForm(op.set));
    }
  }

  #send(table: TableName, ops: readonly Op[], { bytes, opOfMessage }: EncodedBatch): void {
    const whole = `change table ${table.family} ${table.name} in ${ops.length} operations`;
    let answers: ReturnType<NetlinkSocket['requestMany']>['answers'];
    try {
      ({ answers } = this.#socket.requestMany(bytes, whole));
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (error.code === 'EMSGSIZE') {
        throw new KernelError(
          whole,
          error.errno,
          `${bytes.length} bytes exceed the socket's send buffer; see splitOps`,
        );
      }
      // Only refusals are answered, so an overrun means many of them: nothing was applied.
      if (error.code === 'ENOBUFS') {
        this.#drain();
        throw new KernelError(whole, ENOBUFS, 'not applied: more refusals than the receive buffer holds');
      }
      throw error;
    }
    // Message 0 is BEGIN; what is refused as a whole (EPERM, no nf_tables) is answered to it.
    const refused = answers.find(answer => answer.errno !== 0);
    if (refused === undefined) return;
    const index = opOfMessage[refused.index - 1];
    if (index === undefined) throw new KernelError(whole, refused.errno, refused.extack.message);
    const element = refusedElement(bytes, refused.index, refused.extack.offset);
    const words = [element && `element ${printHex(element)}`, refused.extack.message].filter(
      part => part !== undefined,
    );
    throw new KernelError(refusedOp(table, ops, index), refused.errno, words.length > 0 ? words.join(', ') : undefined);
  }

  /** Reads away what is queued, so that the next answer finds room. */
  #drain(): void {
    const w = new MessageWriter();
    nftMessage(w, nft.NFT_MSG_GETGEN, 0, nft.NFPROTO_UNSPEC, () => {});
    this.#socket.requestMany(w.bytes(), 'read generation');
  }

  /** A batch without its END is checked and rolled back (linux/net/netfilter/nfnetlink.c nfnetlink_rcv_batch). */
  #knowsOwnership(): boolean {
    if (this.#ownership !== undefined) return this.#ownership;
    const w = new MessageWriter();
    batchMark(w, nft.NFNL_MSG_BATCH_BEGIN);
    nftMessage(w, nft.NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, familyNumbers[PROBE.family], () => {
      w.attrString(nft.NFTA_TABLE_NAME, PROBE.name);
      w.attrU32be(nft.NFTA_TABLE_FLAGS, nft.NFT_TABLE_F_OWNER | nft.NFT_TABLE_F_PERSIST);
    });
    const { answers } = this.#socket.requestMany(w.bytes(), 'probe table flags');
    this.#ownership = answers.some(answer => answer.index === 1 && answer.errno === 0);
    return this.#ownership;
  }

  #formsOf(table: TableName): Map<string, ElementForm> {
    const key = `${table.family} ${table.name}`;
    let forms = this.#forms.get(key);
    if (forms === undefined) {
      forms = new Map();
      this.#forms.set(key, forms);
    }
    return forms;
  }

  /** A set that is absent is taken as any: the kernel will refuse the operation itself, by its position. */
  #formOf(table: TableName, set: string, forms: Map<string, ElementForm>): ElementForm {
    const known = forms.get(set);
    if (known !== undefined) return known;
    const spec = this.#getSet(table, set);
    if (spec === undefined) return 'interval';
    const form = elementForm(spec);
    forms.set(set, form);
    return form;
  }

  tables(): readonly TableName[] {
    const replies = this.#dumpOf('list tables', nft.NFT_MSG_GETTABLE, nft.NFPROTO_UNSPEC, () => {});
    return replies.flatMap(reply => decodeTable(reply)?.table ?? []);
  }

  dump(table: TableName): TableDump | undefined {
    return finished(this.#dump(table, this.#socket));
  }

  *dumpInSteps(table: TableName): Generator<void, TableDump | undefined> {
    // A socket of its own: transactions in between are answered on the other.
    const socket = this.#openSocket({ receiveBytes: STEP_BYTES });
    try {
      return yield* this.#dump(table, socket);
    } finally {
      socket.close();
    }
  }

  *#dump(table: TableName, socket: NetlinkSocket): Generator<void, TableDump | undefined> {
    const op = `read table ${table.family} ${table.name}`;
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const generation = this.#generation();
      const dump = yield* this.#dumpOnce(table, op, socket);
      // A table of our own only we change meanwhile; of another one the parts must be of one generation.
      if (dump?.owner === 'us' || this.#generation() === generation) return dump;
    }
    throw new KernelError(op, EINTR, `tables changed during each of ${DUMP_ATTEMPTS} reads`);
  }

  *#dumpOnce(table: TableName, op: string, socket: NetlinkSocket): Generator<void, TableDump | undefined> {
    const info = this.#getTable(table);
    if (info === undefined) return undefined;
    const family = familyNumbers[table.family];
    const all = <T>(type: number, attribute: number | undefined, decode: (reply: NetlinkMessage) => T | undefined) => {
      const w = new MessageWriter();
      nftMessage(w, type, 0, family, () => {
        if (attribute !== undefined) w.attrString(attribute, table.name);
        if (type === nft.NFT_MSG_GETOBJ) w.attrU32be(nft.NFTA_OBJ_TYPE, nft.NFT_OBJECT_COUNTER);
      });
      return socket.dumpInSteps(w.bytes(), op, decode);
    };
    const rules = new Map<string, RuleDump[]>();
    const chains: ChainDump[] = [];
    for (const chain of yield* all(nft.NFT_MSG_GETCHAIN, undefined, reply => decodeChain(reply, table))) {
      const own: RuleDump[] = [];
      rules.set(chain.name, own);
      chains.push({ chain, rules: own });
    }
    for (const { chain, ...rule } of yield* all(nft.NFT_MSG_GETRULE, nft.NFTA_RULE_TABLE, decodeRule)) {
      rules.get(chain)?.push(rule);
    }
    const sets: SetDump[] = [];
    for (const set of yield* all(nft.NFT_MSG_GETSET, nft.NFTA_SET_TABLE, decodeSet)) {
      sets.push({ set, elements: (yield* this.#elementsInSteps(table, set, socket)) ?? [] });
      yield;
    }
    const owner = info.ownerPort === undefined ? undefined : info.ownerPort === this.#socket.port() ? 'us' : 'other';
    return {
      table: info.table,
      ...(owner !== undefined && { owner }),
      persist: info.persist,
      chains,
      sets,
      counters: yield* all(nft.NFT_MSG_GETOBJ, nft.NFTA_OBJ_TABLE, decodeCounterObject),
    };
  }

  isOwner(table: TableName): boolean {
    const port = this.#getTable(table)?.ownerPort;
    return port !== undefined && port === this.#socket.port();
  }

  counters(table: TableName): readonly CounterDump[] {
    return finished(this.#countersOf(table, this.#socket));
  }

  *countersInSteps(table: TableName): Generator<void, readonly CounterDump[]> {
    // A socket of its own, as for dumpInSteps.
    const socket = this.#openSocket({ receiveBytes: STEP_BYTES });
    try {
      return yield* this.#countersOf(table, socket);
    } finally {
      socket.close();
    }
  }

  *#countersOf(table: TableName, socket: NetlinkSocket): Generator<void, CounterDump[]> {
    const op = `read counters of table ${table.family} ${table.name}`;
    const w = new MessageWriter();
    nftMessage(w, nft.NFT_MSG_GETOBJ, 0, familyNumbers[table.family], () =>
      w.attrString(nft.NFTA_OBJ_TABLE, table.name).attrU32be(nft.NFTA_OBJ_TYPE, nft.NFT_OBJECT_COUNTER),
    );
    const counters = yield* socket.dumpInSteps(w.bytes(), op, decodeCounterObject);
    if (counters.length === 0 && this.#getTable(table) === undefined) throw new KernelError(op, ENOENT);
    return counters;
  }

  elements(table: TableName, set: string): readonly Element[] {
    const spec = this.#getSet(table, set);
    const elements = spec && this.#elementsOf(table, spec);
    if (elements === undefined) {
      throw new KernelError(`read set "${set}" of table ${table.family} ${table.name}`, ENOENT);
    }
    return elements;
  }

  #elementsOf(table: TableName, set: SetSpec): Element[] | undefined {
    return finished(this.#elementsInSteps(table, set, this.#socket));
  }

  *#elementsInSteps(table: TableName, set: SetSpec, socket: NetlinkSocket): Generator<void, Element[] | undefined> {
    const op = `read set "${set.name}" of table ${table.family} ${table.name}`;
    const w = new MessageWriter();
    nftMessage(w, nft.NFT_MSG_GETSETELEM, 0, familyNumbers[table.family], () =>
      w.attrString(nft.NFTA_SET_ELEM_LIST_TABLE, table.name).attrString(nft.NFTA_SET_ELEM_LIST_SET, set.name),
    );
    try {
      return joinElements((yield* socket.dumpInSteps(w.bytes(), op, decodeElements)).flat(), set);
    } catch (error) {
      if (error instanceof KernelError && error.errno === ENOENT) return undefined;
      throw error;
    }
  }

  close(): void {
    this.#opened?.close();
  }

  #getTable(table: TableName): TableInfo | undefined {
    const op = `read table ${table.family} ${table.name}`;
    return unlessAbsent(() => {
      const [reply] = this.#get(op, nft.NFT_MSG_GETTABLE, familyNumbers[table.family], w =>
        w.attrString(nft.NFTA_TABLE_NAME, table.name),
      );
      return reply && decodeTable(reply);
    });
  }

  #getSet(table: TableName, set: string): SetSpec | undefined {
    const op = `read set "${set}" of table ${table.family} ${table.name}`;
    return unlessAbsent(() => {
      const [reply] = this.#get(op, nft.NFT_MSG_GETSET, familyNumbers[table.family], w =>
        w.attrString(nft.NFTA_SET_TABLE, table.name).attrString(nft.NFTA_SET_NAME, set),
      );
      return reply && decodeSet(reply);
    });
  }

  /** Counts the commits in this namespace, by anyone. */
  #generation(): number {
    const [reply] = this.#get('read generation', nft.NFT_MSG_GETGEN, nft.NFPROTO_UNSPEC, () => {});
    return (reply && attributesOf(reply).u32be(nft.NFTA_GEN_ID)) ?? 0;
  }

  #get(op: string, type: number, family: number, body: (w: MessageWriter) => void): NetlinkMessage[] {
    const w = new MessageWriter();
    nftMessage(w, type, 0, family, () => body(w));
    return this.#socket.request(w.bytes(), op);
  }

  #dumpOf(op: string, type: number, family: number, body: (w: MessageWriter) => void): NetlinkMessage[] {
    const w = new MessageWriter();
    nftMessage(w, type, 0, family, () => body(w));
    return this.#socket.dump(w.bytes(), op);
  }
}

/** The key of the element that the kernel points at in one message of a batch; undefined where it points elsewhere. */
function refusedElement(batch: Uint8Array, message: number, offset: number | undefined): Uint8Array | undefined {
  const { type, payload } = splitMessages(batch)[message] ?? {};
  if (type === undefined || payload === undefined || offset === undefined) return undefined;
  const operation = type & 0xff;
  if (operation !== nft.NFT_MSG_NEWSETELEM && operation !== nft.NFT_MSG_DELSETELEM) return undefined;
  let key: Uint8Array | undefined;
  // The elements that follow are there too: only the first counts.
  eachAttribute(payload.subarray(offset - NLMSG_HDRLEN), (_, element) => {
    key ??= new Attributes(element).nest(nft.NFTA_SET_ELEM_KEY)?.bytes(nft.NFTA_DATA_VALUE);
  });
  return key;
}

/** What `read` gives, or undefined where the kernel answers ENOENT. */
function unlessAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof KernelError && error.errno === ENOENT) return undefined;
    throw error;
  }
}

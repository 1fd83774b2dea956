/**
 * nf_tables as plain data. Names are nft's own words, numbers and registers those of linux/netfilter/nf_tables.h.
 * Registers: 0 is the verdict, 1..4 are four of 16 bytes, 8..23 the same memory as sixteen of 4 bytes (8..11 are
 * register 1). The kernel names 8, 12, 16 and 20 as 1..4 when it dumps; `sameExprs` compares beyond that.
 */

export type TableFamily = 'inet' | 'ip' | 'ip6' | 'arp';

export interface TableName {
  readonly family: TableFamily;
  readonly name: string;
}

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

export type MetaKey =
  | 'len'
  | 'protocol'
  | 'priority'
  | 'mark'
  | 'iif'
  | 'oif'
  | 'iifname'
  | 'oifname'
  | 'iiftype'
  | 'oiftype'
  | 'skuid'
  | 'skgid'
  | 'nftrace'
  | 'nfproto'
  | 'l4proto'
  | 'pkttype'
  | 'cpu'
  | 'iifgroup'
  | 'oifgroup'
  | 'cgroup'
  | 'iifkind'
  | 'oifkind';

export type CtKey =
  | 'state'
  | 'direction'
  | 'status'
  | 'mark'
  | 'expiration'
  | 'l3proto'
  | 'protocol'
  | 'zone'
  | 'id'
  | 'srcIp'
  | 'dstIp'
  | 'srcIp6'
  | 'dstIp6'
  | 'protoSrc'
  | 'protoDst';

export type CmpOp = 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte';
export type FibFlag = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif';
export type LimitUnit = 'second' | 'minute' | 'hour' | 'day' | 'week';

/** One expression of a rule. `dreg` is the register written, `sreg` the one read; data is in register byte order. */
export type Expr =
  | { readonly kind: 'meta'; readonly key: MetaKey; readonly dreg: number }
  | { readonly kind: 'metaSet'; readonly key: MetaKey; readonly sreg: number }
  | {
      readonly kind: 'payload';
      readonly base: 'link' | 'network' | 'transport';
      /** Bytes from the start of the header. */
      readonly offset: number;
      readonly length: number;
      readonly dreg: number;
    }
  | { readonly kind: 'cmp'; readonly op: CmpOp; readonly sreg: number; readonly data: Uint8Array }
  /** Both ends included. */
  | {
      readonly kind: 'range';
      readonly op: 'eq' | 'neq';
      readonly sreg: number;
      readonly from: Uint8Array;
      readonly to: Uint8Array;
    }
  /** dreg = (sreg & mask) ^ xor */
  | {
      readonly kind: 'bitwise';
      readonly sreg: number;
      readonly dreg: number;
      readonly length: number;
      readonly mask: Uint8Array;
      readonly xor: Uint8Array;
    }
  /** Without dreg a set is asked; with dreg a map is read into it: 0 for a verdict map. */
  | {
      readonly kind: 'lookup';
      readonly set: string;
      readonly sreg: number;
      readonly dreg?: number;
      readonly inverted?: boolean;
    }
  | { readonly kind: 'ct'; readonly key: CtKey; readonly dreg: number; readonly direction?: 'original' | 'reply' }
  | { readonly kind: 'ctSet'; readonly key: CtKey; readonly sreg: number }
  | { readonly kind: 'immediate'; readonly dreg: number; readonly data: Uint8Array }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  /** A counter of the rule's own; the numbers are filled in by a dump, exact up to 2^53. */
  | { readonly kind: 'counter'; readonly packets?: number; readonly bytes?: number }
  | { readonly kind: 'objref'; readonly type: 'counter'; readonly name: string }
  /** Counts on the named counter that the map holds for the key in sreg; no match: the rule ends here. */
  | { readonly kind: 'objrefMap'; readonly set: string; readonly sreg: number }
  /** With group: nflog to that group; without: the kernel's log (silent outside the first network namespace). */
  | {
      readonly kind: 'log';
      readonly group?: number;
      readonly prefix?: string;
      /** Bytes of the packet sent along. */
      readonly snaplen?: number;
      /** Packets gathered before they are sent. */
      readonly queueThreshold?: number;
      /** Syslog level 0..7, only without group; the kernel's own choice is 4 (warning). */
      readonly level?: number;
    }
  /** Matches up to the rate, or with `over` beyond it. `bytes`: the rate counts bytes, else packets. */
  | {
      readonly kind: 'limit';
      readonly rate: number;
      readonly unit: LimitUnit;
      readonly burst: number;
      readonly over?: boolean;
      readonly bytes?: boolean;
    }
  | {
      readonly kind: 'masquerade';
      readonly randomFully?: boolean;
      readonly random?: boolean;
      readonly persistent?: boolean;
      /** Registers with the first and last port, 2 bytes in network order. */
      readonly portMinReg?: number;
      readonly portMaxReg?: number;
    }
  | {
      readonly kind: 'nat';
      readonly type: 'snat' | 'dnat';
      readonly family: 'ip' | 'ip6';
      readonly addrMinReg?: number;
      readonly addrMaxReg?: number;
      readonly portMinReg?: number;
      readonly portMaxReg?: number;
      readonly randomFully?: boolean;
      readonly random?: boolean;
      readonly persistent?: boolean;
    }
  /** `present`: dreg becomes 1 or 0, whether there is a route, instead of the result. */
  | {
      readonly kind: 'fib';
      readonly result: 'oif' | 'oifname' | 'type';
      readonly flags: readonly FibFlag[];
      readonly dreg: number;
      readonly present?: boolean;
    }
  | { readonly kind: 'notrack' }
  /** icmpx: code 0 no route, 1 port, 2 host, 3 prohibited, for both families; icmp: the family's own code. */
  | { readonly kind: 'reject'; readonly type: 'icmp' | 'tcpReset' | 'icmpx'; readonly code?: number }
  /** An expression that this package does not know, from a dump: its kernel name and its attributes as they came. */
  | { readonly kind: 'unknown'; readonly name: string; readonly data: Uint8Array };

export type ExprKind = Expr['kind'];
/** The expression of one kind: `ExprOf<'cmp'>`. */
export type ExprOf<K extends ExprKind> = Extract<Expr, { kind: K }>;

/** nft's names of data types that keys and data of sets can have. */
export type FieldType =
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'ether_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'mark'
  | 'ifname'
  | 'iface_index'
  | 'icmp_type'
  | 'icmpv6_type'
  | 'nf_proto'
  | 'ct_state'
  | 'pkt_type';

/** One type, or several for a concatenation, whose key holds the fields each padded to 4 bytes. */
export type SetType = FieldType | readonly FieldType[];

export type SetFlag = 'interval' | 'constant' | 'timeout' | 'dynamic';

export interface SetSpec {
  readonly name: string;
  readonly keyType: SetType;
  readonly flags: readonly SetFlag[];
  /** What the elements hold: nothing, a verdict, the name of a counter, or a value. */
  readonly map?: 'verdict' | 'counter' | { readonly type: SetType };
  /** Every element counts its own matches. */
  readonly counters?: boolean;
  /** The most elements; without it unbounded. */
  readonly size?: number;
  /** Milliseconds that elements live, for sets with the flag timeout. */
  readonly timeout?: number;
  readonly comment?: string;
}

export interface CounterRef {
  readonly kind: 'counter';
  readonly name: string;
}

export interface Element {
  readonly key: Uint8Array;
  /** Last key, included; in sets with the flag interval only. A concatenation has first and last per field. */
  readonly keyEnd?: Uint8Array;
  /** For maps: a verdict, a counter's name, or the value. */
  readonly data?: Verdict | CounterRef | Uint8Array;
  /** Milliseconds that this element lives, in sets with the flag timeout. */
  readonly timeout?: number;
  readonly comment?: string;
  /** From a dump of a set with `counters`. */
  readonly counter?: { readonly packets: number; readonly bytes: number };
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** With `hook` a base chain, which the kernel calls; without, one to jump to. */
export interface ChainSpec {
  readonly name: string;
  readonly hook?: Hook;
  /** Default filter. */
  readonly type?: 'filter' | 'nat' | 'route';
  /** Lower is called earlier; filter is 0, raw -300, mangle -150, dstnat -100, srcnat 100. Default 0. */
  readonly priority?: number;
  /** What becomes of a packet at the end of the base chain; default accept. */
  readonly policy?: 'accept' | 'drop';
  readonly comment?: string;
}

/**
 * One change. Adding what is there already succeeds and changes nothing (a chain's policy is updated), unless `create`
 * asks for EEXIST; deleting what is absent is ENOENT; deleting a chain, set or counter that something refers to is
 * EBUSY. Deleting a chain deletes its rules.
 */
export type Op =
  /** owner: only this handle may change the table while it is open; persist: the table outlives the handle. */
  | { readonly op: 'addTable'; readonly owner?: boolean; readonly persist?: boolean; readonly create?: boolean }
  | { readonly op: 'deleteTable' }
  | { readonly op: 'addChain'; readonly chain: ChainSpec; readonly create?: boolean }
  | { readonly op: 'deleteChain'; readonly name: string }
  /** Deletes the chain's rules. */
  | { readonly op: 'flushChain'; readonly name: string }
  /** Appended to the chain. */
  | { readonly op: 'addRule'; readonly chain: string; readonly exprs: readonly Expr[]; readonly comment?: string }
  | { readonly op: 'deleteRule'; readonly chain: string; readonly handle: number }
  | { readonly op: 'addSet'; readonly set: SetSpec; readonly create?: boolean }
  | { readonly op: 'deleteSet'; readonly name: string }
  | { readonly op: 'flushSet'; readonly name: string }
  /**
   * An element that is there already with the same data is kept as it is; with other data it is EEXIST (EBUSY on older
   * kernels): delete it first, in the same batch. In an interval set one that overlaps another is EEXIST, but the kernel
   * does not notice all: not, without `create`, two intervals with the same end (a set that is broken from then on), and
   * not every overlap of concatenations. Callers keep elements apart; the fake refuses the former, its `check` tells the
   * latter.
   */
  | {
      readonly op: 'addElements';
      readonly set: string;
      readonly elements: readonly Element[];
      readonly create?: boolean;
    }
  | { readonly op: 'deleteElements'; readonly set: string; readonly elements: readonly Element[] }
  | { readonly op: 'addCounter'; readonly name: string; readonly create?: boolean }
  | { readonly op: 'deleteCounter'; readonly name: string };

export interface RuleDump {
  readonly handle: number;
  readonly exprs: readonly Expr[];
  readonly comment?: string;
}

export interface ChainDump {
  readonly chain: ChainSpec;
  readonly rules: readonly RuleDump[];
}

export interface SetDump {
  readonly set: SetSpec;
  /** Interval sets in order of their keys, others in no order. */
  readonly elements: readonly Element[];
}

/** Since the counter was made; exact up to 2^53. */
export interface CounterDump {
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
}

export interface TableDump {
  readonly table: TableName;
  /** Whether a netlink socket owns the table: 'us' is the handle that dumped it. */
  readonly owner?: 'us' | 'other';
  readonly persist: boolean;
  readonly chains: readonly ChainDump[];
  readonly sets: readonly SetDump[];
  readonly counters: readonly CounterDump[];
}

/** Everything is synchronous. Errors are KernelError with the kernel's errno names. */
export interface Nftables {
  /**
   * Applies all operations or none. KernelError's text names the first operation refused, by position and object. A
   * batch larger than the send buffer is refused with EMSGSIZE: `batchSize` and `splitOps` help to cut it.
   */
  transaction(table: TableName, ops: readonly Op[]): void;
  /** The tables there are, of every owner. */
  tables(): readonly TableName[];
  /** Whether this handle owns the table, so that nobody else can change it. */
  isOwner(table: TableName): boolean;
  /** The whole table as one consistent view; undefined when there is none. */
  dump(table: TableName): TableDump | undefined;
  /**
   * The same in steps of a few milliseconds, for large tables. What this handle changes in between may be there in part:
   * whoever reads must know what it has written meanwhile. Of a table of another owner KernelError EINTR while it changes
   * all the time.
   */
  dumpInSteps(table: TableName): Generator<void, TableDump | undefined>;
  /** The named counters, not reset by reading. Throws ENOENT without the table. */
  counters(table: TableName): readonly CounterDump[];
  /** The same in steps of a few milliseconds, for many counters. KernelError EINTR while the tables change all the time. */
  countersInSteps(table: TableName): Generator<void, readonly CounterDump[]>;
  /** The elements of one set. Throws ENOENT without the table or set. */
  elements(table: TableName, set: string): readonly Element[];
  /** Ends the handle: tables it owns without `persist` vanish, those with it stay and can be claimed again. */
  close(): void;
}

import { flag, integer, type MessageOf, message, nested, repeated, text } from './wire.ts';

/*
 * The parts of etcd's API that are used here, with the numbers of etcd's rpc.proto, kv.proto and auth.proto (v3.4 and later).
 * Keys and values are bytes there; all of Calico's are UTF-8.
 */

const KeyValue = message({
  key: text(1),
  createRevision: integer(2),
  modRevision: integer(3),
  version: integer(4),
  value: text(5),
});

const Header = message({ revision: integer(3) });

const RangeRequest = message({
  key: text(1),
  /** The first key that is not asked for; absent: the one key alone. */
  rangeEnd: text(2),
  limit: integer(3),
  revision: integer(4),
  keysOnly: flag(8),
});

const RangeResponse = message({ header: nested(1, Header), kvs: repeated(2, KeyValue), more: flag(3) });
const PutRequest = message({ key: text(1), value: text(2), lease: integer(3) });
const DeleteRangeRequest = message({ key: text(1), rangeEnd: text(2) });

/** `result` 0 is "equal"; `target` 0 is version, 1 create revision, 2 modification revision. */
const Compare = message({
  result: integer(1),
  target: integer(2),
  key: text(3),
  version: integer(4),
  createRevision: integer(5),
  modRevision: integer(6),
});

const RequestOp = message({
  range: nested(1, RangeRequest),
  put: nested(2, PutRequest),
  deleteRange: nested(3, DeleteRangeRequest),
});

const ResponseOp = message({ range: nested(1, RangeResponse) });
const TxnRequest = message({
  compare: repeated(1, Compare),
  success: repeated(2, RequestOp),
  failure: repeated(3, RequestOp),
});
const TxnResponse = message({ header: nested(1, Header), succeeded: flag(2), responses: repeated(3, ResponseOp) });

const WatchCreateRequest = message({
  key: text(1),
  rangeEnd: text(2),
  startRevision: integer(3),
  progressNotify: flag(4),
  prevKv: flag(6),
});

const WatchProgressRequest = message({});
const WatchRequest = message({ create: nested(1, WatchCreateRequest), progress: nested(3, WatchProgressRequest) });

/** `type` 0 is put, 1 delete. */
const Event = message({ type: integer(1), kv: nested(2, KeyValue), prevKv: nested(3, KeyValue) });

const WatchResponse = message({
  header: nested(1, Header),
  watchId: integer(2),
  created: flag(3),
  canceled: flag(4),
  compactRevision: integer(5),
  cancelReason: text(6),
  events: repeated(11, Event),
});

const CompactionRequest = message({ revision: integer(1) });
const CompactionResponse = message({ header: nested(1, Header) });
/** `id` is of the caller's choice; `ttl` is in seconds. */
const LeaseGrantRequest = message({ ttl: integer(1), id: integer(2) });
const LeaseGrantResponse = message({ header: nested(1, Header), id: integer(2), ttl: integer(3) });
const AuthenticateRequest = message({ name: text(1), password: text(2) });
const AuthenticateResponse = message({ token: text(2) });

export type KeyValue = MessageOf<typeof KeyValue>;
export type Compare = Partial<MessageOf<typeof Compare>>;
export type RequestOp = Partial<MessageOf<typeof RequestOp>>;
export type TxnResponse = MessageOf<typeof TxnResponse>;
export type RangeResponse = Partial<MessageOf<typeof RangeResponse>>;
export type WatchEvent = Partial<MessageOf<typeof Event>>;
export type WatchResponse = MessageOf<typeof WatchResponse>;
export type WatchRequest = Partial<MessageOf<typeof WatchRequest>>;

/** The targets of a Compare. */
export const COMPARE = { version: 0, createRevision: 1, modRevision: 2 } as const;

/** The type of an Event that tells of a deletion. */
export const DELETE_EVENT = 1;

/** The calls of etcd: path, question and answer. */
export const calls = {
  range: { path: '/etcdserverpb.KV/Range', request: RangeRequest, response: RangeResponse },
  txn: { path: '/etcdserverpb.KV/Txn', request: TxnRequest, response: TxnResponse },
  compact: { path: '/etcdserverpb.KV/Compact', request: CompactionRequest, response: CompactionResponse },
  leaseGrant: { path: '/etcdserverpb.Lease/LeaseGrant', request: LeaseGrantRequest, response: LeaseGrantResponse },
  authenticate: {
    path: '/etcdserverpb.Auth/Authenticate',
    request: AuthenticateRequest,
    response: AuthenticateResponse,
  },
  watch: { path: '/etcdserverpb.Watch/Watch', request: WatchRequest, response: WatchResponse },
} as const;

/** A key as it came, with what was not sent filled in. */
export function keyValue(parts: Partial<KeyValue>): KeyValue {
  return { key: '', createRevision: 0, modRevision: 0, version: 0, value: '', ...parts };
}

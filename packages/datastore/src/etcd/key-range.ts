/** A row of etcd keys: from `key` up to but not including `rangeEnd`; without that the one key. */
export interface KeyRange {
  readonly key: string;
  readonly rangeEnd?: string;
}

/** The range of all keys that begin so. The prefix ends with "/". */
export function under(prefix: string): KeyRange {
  return { key: prefix, rangeEnd: `${prefix.slice(0, -1)}0` };
}

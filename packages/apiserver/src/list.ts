/** Lists with paging and resourceVersion semantics (Kubernetes API concepts, "Retrieving large results sets in chunks"). */
import type { Kind } from '@calico/api';
import { type Entry, sortKey } from './collection.ts';
import type { Filter } from './filter.ts';
import { resourceName } from './kind-registry.ts';
import type { ListMeta } from './representation.ts';
import { ApiError, badRequest, gone } from './status.ts';
import type { Store } from './store.ts';

/** The parameters of a list request that decide which state and which part of it is wanted. */
export interface ListOptions {
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  /** 0 is all. */
  readonly limit: number;
  readonly continue: string;
}

interface Position {
  readonly revision: number;
  /** Sort key of the last object of the page before. */
  readonly after: string;
}

function encodeContinue(position: Position): string {
  const text = JSON.stringify({ v: 'meta.k8s.io/v1', rv: position.revision, start: position.after });
  return Buffer.from(text).toString('base64url');
}

function decodeContinue(token: string): Position {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (typeof value === 'object' && value !== null && 'rv' in value && 'start' in value) {
      const { rv, start } = value;
      if (typeof rv === 'number' && Number.isSafeInteger(rv) && typeof start === 'string') {
        return { revision: rv, after: start };
      }
    }
  } catch {
    // Falls through to the refusal below: a token that does not decode is as bad as one with wrong content.
  }
  throw badRequest('continue key is not valid: it was not given out by this server');
}

/** A resourceVersion as a number. Throws a 400 ApiError for anything but a decimal integer. */
export function parseRevision(text: string): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw badRequest(`Invalid value: "${text}": resourceVersion must be a decimal integer`);
  }
  return Number(text);
}

/** 504 for a state that this server has not reached, in the form that client libraries know. */
export function checkReached(store: Store, revision: number): void {
  if (revision <= store.revision) return;
  throw new ApiError(504, 'Timeout', `Too large resource version: ${revision}, current: ${store.revision}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

function wantedRevision(store: Store, options: ListOptions): number {
  const { resourceVersion, resourceVersionMatch } = options;
  if (resourceVersionMatch !== '' && resourceVersion === '') {
    throw badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
  }
  if (resourceVersion === '') return store.revision;
  const revision = parseRevision(resourceVersion);
  switch (resourceVersionMatch) {
    case 'Exact':
      if (revision === 0) throw badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
      checkReached(store, revision);
      return revision;
    case 'NotOlderThan':
    case '':
      checkReached(store, revision);
      return store.revision;
    default:
      throw badRequest(`resourceVersionMatch is "${resourceVersionMatch}"; allowed: Exact, NotOlderThan`);
  }
}

function firstAfter(entries: readonly Entry[], key: string): number {
  const at = entries.findIndex(entry => sortKey(entry) > key);
  return at < 0 ? entries.length : at;
}

/** One page of a list and its metadata. Throws ApiError: 410 when the wanted state is compacted away. */
export function listPage(
  store: Store,
  kind: Kind,
  filter: Filter,
  options: ListOptions,
): { entries: readonly Entry[]; meta: ListMeta } {
  const from = options.continue === '' ? undefined : decodeContinue(options.continue);
  const revision = from?.revision ?? wantedRevision(store, options);
  const state = store.listAt(revision, resourceName(kind), filter.namespace);
  if (state === undefined) {
    throw gone(
      from
        ? 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.'
        : `The resourceVersion for the provided list is too old: ${revision}, oldest kept: ${store.compacted}`,
    );
  }
  const rest = from ? state.slice(firstAfter(state, from.after)) : state;
  const matching = filter.selects ? rest.filter(entry => filter.matches(entry.object)) : rest;
  const meta = { resourceVersion: String(revision) };
  const entries = options.limit > 0 ? matching.slice(0, options.limit) : matching;
  const last = entries.at(-1);
  if (entries.length === matching.length || last === undefined) return { entries, meta };
  return {
    entries,
    meta: {
      ...meta,
      continue: encodeContinue({ revision, after: sortKey(last) }),
      ...(filter.selects ? {} : { remainingItemCount: matching.length - entries.length }),
    },
  };
}

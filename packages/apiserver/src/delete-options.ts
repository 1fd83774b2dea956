import { isJsonObject } from './json.ts';
import { badRequest } from './status.ts';
import type { DeleteOptions } from './writer.ts';

function text(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw badRequest(`${field} must be a string`);
}

function propagation(value: string | undefined, orphan: unknown): DeleteOptions['propagationPolicy'] {
  if (value === undefined || value === '') return orphan === true || orphan === 'true' ? 'Orphan' : undefined;
  if (value === 'Background' || value === 'Foreground' || value === 'Orphan') return value;
  throw badRequest(`propagationPolicy is ${JSON.stringify(value)}; allowed: Background, Foreground, Orphan`);
}

function grace(value: unknown): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const seconds = Number(value);
  if (Number.isSafeInteger(seconds) && seconds >= 0) return seconds;
  throw badRequest(`gracePeriodSeconds is ${JSON.stringify(value)}; allowed: a whole number of seconds, 0 or more`);
}

/** Reads DeleteOptions from a body (which may be absent), then from the query. Throws a 400 ApiError. */
export function parseDeleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  const given = isJsonObject(body) ? body : {};
  const preconditions = isJsonObject(given.preconditions) ? given.preconditions : {};
  const dryRun = [...(Array.isArray(given.dryRun) ? given.dryRun : []), ...query.getAll('dryRun')];
  if (dryRun.some(value => value !== 'All')) throw badRequest('dryRun: allowed: All');
  const uid = text(preconditions.uid, 'preconditions.uid');
  const resourceVersion = text(preconditions.resourceVersion, 'preconditions.resourceVersion');
  const gracePeriodSeconds = grace(given.gracePeriodSeconds ?? query.get('gracePeriodSeconds'));
  const propagationPolicy = propagation(
    text(given.propagationPolicy, 'propagationPolicy') ?? query.get('propagationPolicy') ?? undefined,
    given.orphanDependents ?? query.get('orphanDependents'),
  );
  return {
    dryRun: dryRun.length > 0,
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
  };
}

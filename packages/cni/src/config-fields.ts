import { type Family, parseCidr } from '@calico/ip';
import { CniError, errorCodes } from './cni-error.ts';

/** An object of JSON. */
export type Fields = { readonly [field: string]: unknown };

/** The refusal of a field: CniError 7 that names it, its value and what is allowed. */
export function refused(field: string, value: unknown, allowed: string): CniError {
  return new CniError(
    errorCodes.invalidConfig,
    `Cannot use network configuration: ${field} is ${JSON.stringify(value)}; allowed: ${allowed}`,
  );
}

/** Whether a value is an object, and no list. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object inside a configuration, empty when absent. Throws CniError 7. */
export function section(config: Fields, name: string): Fields {
  const value = config[name] ?? {};
  if (!isFields(value)) throw refused(name, value, 'an object');
  return value;
}

/** The last part of a path: `ipam.type` is `type` in its section. */
function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}

/** Text, empty when absent. Throws CniError 7. */
export function text(fields: Fields, path: string): string {
  const value = fields[lastPart(path)] ?? '';
  if (typeof value !== 'string') throw refused(path, value, 'text');
  return value;
}

/** Throws CniError 7 unless a field, absent counting as empty text, is one of those allowed. */
export function refuseUnless(fields: Fields, path: string, allowed: readonly unknown[], reason = ''): void {
  const value = fields[lastPart(path)] ?? '';
  if (!allowed.includes(value))
    throw refused(path, value, allowed.map(each => JSON.stringify(each)).join(', ') + reason);
}

/** True or false, given as a boolean or as text. Throws CniError 7. */
export function flag(fields: Fields, path: string, absent = false): boolean {
  const value = fields[lastPart(path)] ?? absent;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw refused(path, value, '"true", "false"');
}

/** A whole number from 0, 0 when absent. Throws CniError 7. */
export function wholeNumber(fields: Fields, path: string, largest: number): number {
  const value = fields[lastPart(path)] ?? 0;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= largest) return value;
  throw refused(path, value, `a whole number from 0 to ${largest}`);
}

/** A list of pools: CIDRs of the family, host bits allowed, or names. Throws CniError 7. */
export function poolList(value: unknown, field: string, family: Family): string[] {
  const pools = value ?? [];
  if (!Array.isArray(pools)) throw refused(field, pools, 'a list of CIDRs or names of pools');
  return pools.map((pool: unknown) => {
    const cidr = typeof pool === 'string' ? parseCidr(pool) : undefined;
    if (typeof pool !== 'string' || pool === '' || (cidr !== undefined && cidr.addr.family !== family)) {
      throw refused(field, pool, `a CIDR of IPv${family} or the name of a pool`);
    }
    return pool;
  });
}

/**
 * Label selectors of list and watch requests.
 * Source: Kubernetes documentation, "Labels and Selectors".
 */
import { badRequest } from './status.ts';

type Labels = { readonly [key: string]: string };

/** One comma-separated term. A missing label satisfies `notIn` and `absent`, nothing else. */
export type LabelRequirement =
  | { readonly op: 'in' | 'notIn'; readonly key: string; readonly values: readonly string[] }
  | { readonly op: 'exists' | 'absent'; readonly key: string }
  | { readonly op: 'gt' | 'lt'; readonly key: string; readonly value: bigint };

const KEY = /^([a-z0-9A-Z]([-a-z0-9A-Z_.]*[a-z0-9A-Z])?\/)?[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?$/;
const VALUE = /^([a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?$/;

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '(') depth++;
    else if (c === ')') depth--;
    else if (c === ',' && depth === 0) {
      terms.push(text.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

/** Text as an error shows it, cut at 200 characters. */
const shown = (text: string): string => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);

function refuse(text: string, why: string): never {
  throw badRequest(`Cannot parse label selector ${shown(text)}: ${why}`);
}

function parseTerm(term: string, whole: string): LabelRequirement {
  const key = (raw: string): string => {
    const name = raw.trim();
    if (name.length > 317 || !KEY.test(name)) refuse(whole, `label key is ${shown(name)}; allowed: [prefix/]name`);
    return name;
  };
  const value = (raw: string): string => {
    const v = raw.trim();
    if (v.length > 63 || !VALUE.test(v))
      refuse(whole, `label value is ${shown(v)}; allowed: up to 63 letters, digits, "-", "_" and "."`);
    return v;
  };
  // A key of \S, not of anything: else the time is quadratic in blanks.
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term);
  if (set) {
    const values = (set[3] ?? '').split(',').map(value);
    return { op: set[2] === 'in' ? 'in' : 'notIn', key: key(set[1] ?? ''), values };
  }
  const compare = /^([^=!<>]+)(==|=|!=|<|>)(.*)$/.exec(term);
  if (compare) {
    const name = key(compare[1] ?? '');
    const right = compare[3] ?? '';
    if (compare[2] === '<' || compare[2] === '>') {
      if (!/^\s*-?\d+\s*$/.test(right))
        refuse(whole, `value after ${compare[2]} is ${shown(right)}; allowed: an integer`);
      return { op: compare[2] === '<' ? 'lt' : 'gt', key: name, value: BigInt(right.trim()) };
    }
    return { op: compare[2] === '!=' ? 'notIn' : 'in', key: name, values: [value(right)] };
  }
  if (term.startsWith('!')) return { op: 'absent', key: key(term.slice(1)) };
  return { op: 'exists', key: key(term) };
}

/** Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>3`; empty text has no requirements. Throws a 400 ApiError. */
export function parseLabelSelector(text: string): readonly LabelRequirement[] {
  if (text.trim() === '') return [];
  return splitTerms(text).map(term => parseTerm(term.trim(), text));
}

function integer(text: string | undefined): bigint | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? BigInt(text) : undefined;
}

function holds(r: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, r.key) ? labels[r.key] : undefined;
  switch (r.op) {
    case 'in':
      return value !== undefined && r.values.includes(value);
    case 'notIn':
      return value === undefined || !r.values.includes(value);
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'gt': {
      const n = integer(value);
      return n !== undefined && n > r.value;
    }
    case 'lt': {
      const n = integer(value);
      return n !== undefined && n < r.value;
    }
  }
}

/** Whether labels satisfy every requirement. */
export function matchesLabels(requirements: readonly LabelRequirement[], labels: Labels | undefined): boolean {
  return requirements.every(r => holds(r, labels ?? {}));
}

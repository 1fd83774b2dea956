// Whatever text comes from outside, a reader gives a value or its own error, soon, and what it gives can be written again.
import { describe, expect } from 'bun:test';
import { isIP } from 'node:net';
import { parseJson, printJson } from '@calico/api';
import { parseAddr, parseCidr, printAddr, printCidr } from '@calico/ip';
import { parseSelector, SelectorError } from '@calico/selector';
import { matchesFields, parseFieldSelector } from '../../packages/apiserver/src/field-selector.ts';
import { JsonSyntaxError, scanJson } from '../../packages/apiserver/src/json-scan.ts';
import { matchesLabels, parseLabelSelector } from '../../packages/apiserver/src/label-selector.ts';
import { parseResourcePath } from '../../packages/apiserver/src/request-info.ts';
import { ApiError } from '../../packages/apiserver/src/status.ts';
import * as memoryFields from '../../packages/datastore/src/memory/field-selector.ts';
import * as memoryLabels from '../../packages/datastore/src/memory/label-selector.ts';
import { asText, fuzz } from './fuzz.ts';
import { texts } from './inputs.ts';

/** Whether JSON came back. A number beyond 2^53 that is no integer in its text may come back as one. */
function cameBack(value: unknown, back: unknown): boolean {
  if (typeof value === 'number') return Number(back) === value;
  if (Array.isArray(value)) {
    return Array.isArray(back) && value.length === back.length && value.every((item, i) => cameBack(item, back[i]));
  }
  if (typeof value !== 'object' || value === null) return value === back;
  if (typeof back !== 'object' || back === null) return false;
  const parts = new Map<string, unknown>(Object.entries(back));
  const all = Object.entries(value);
  return all.length === parts.size && all.every(([name, part]) => parts.has(name) && cameBack(part, parts.get(name)));
}

/** What `read` gives, or undefined when it throws the error that it is allowed to throw. */
function unless<T>(allowed: (error: unknown) => boolean, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (allowed(error)) return undefined;
    throw error;
  }
}

const selectorWords = [
  ...['has(', ')', 'all()', 'global()', 'a', 'b/c.d-e_f', ' == ', ' != ', ' in ', ' not in ', '{', '}', ',', '"x"'],
  ...[' contains ', ' starts with ', ' ends with ', ' && ', ' || ', '!', '(', "'y'", '&', '|', '=', 'not', 'in'],
];
const someLabels = { a: 'x', 'b/c.d-e_f': 'y', in: '', constructor: 'x' };

const labelWords = ['a', 'b.c/d-e', '=', '==', '!=', ' in ', ' notin ', '(', ')', ',', '!', '>', '<', '1', 'x', '-5'];
const fieldWords = ['metadata.name', 'spec.nodeName', '=', '==', '!=', ',', '\\,', '\\=', '\\\\', 'x', 'node-1'];
const someFields = (field: string) => (field === 'metadata.name' ? 'x' : undefined);
const isBadRequest = (error: unknown) => error instanceof ApiError && error.code === 400;
const addressWords = ['10', '.', '0', '255', '256', '01', ':', '::', 'ffff', 'fd00', '%eth0', '/', '32', '128', '+1'];
const jsonWords = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"a"',
  '"__proto__"',
  '1',
  '-',
  '.',
  'e9',
  '9007199254740993',
  'true',
  '\\u0041',
];
const pathWords = [
  '/',
  'api',
  'apis',
  'v1',
  'namespaces',
  'pods',
  'status',
  '%2f',
  '%',
  '%zz',
  '..',
  'projectcalico.org',
  'v3',
];

describe('readers of text', () => {
  fuzz({
    name: 'selector',
    form: asText,
    runs: 1500,
    inputs: corpus => texts(selectorWords, corpus),
    check: text => {
      const selector = unless(
        error => error instanceof SelectorError,
        () => parseSelector(text),
      );
      if (selector === undefined) return;
      expect(typeof selector.evaluate(someLabels)).toBe('boolean');
      // One level of parentheses becomes at most two in the normal form.
      if (text.split('(').length > 512) return;
      const again = parseSelector(selector.text);
      expect(again.text).toBe(selector.text);
      expect(again.node).toEqual(selector.node);
    },
  });

  fuzz({
    name: 'address',
    form: asText,
    runs: 1500,
    inputs: corpus => texts(addressWords, corpus),
    check: text => {
      const address = parseAddr(text);
      // The platform's own reader knows zones, which are no part of an address here.
      if (!text.includes('%')) expect(address?.family ?? 0).toBe(isIP(text));
      if (address !== undefined) expect(parseAddr(printAddr(address))).toEqual(address);
      const cidr = parseCidr(text);
      if (address !== undefined) expect(cidr).toBeDefined();
      if (cidr !== undefined) expect(parseCidr(printCidr(cidr))).toEqual(cidr);
    },
  });

  fuzz({
    name: 'json',
    form: asText,
    runs: 1500,
    inputs: corpus => texts(jsonWords, corpus),
    check: text => {
      const box = unless(
        error => error instanceof SyntaxError,
        () => ({ value: parseJson(text) }),
      );
      const plain = unless(
        error => error instanceof SyntaxError,
        () => ({ value: JSON.parse(text) as unknown }),
      );
      const scanned = unless(
        error => error instanceof JsonSyntaxError,
        () => scanJson(text, 128),
      );
      if (plain === undefined) expect([box, scanned]).toEqual([undefined, undefined]);
      // Refused besides: what is nested too deep, and numbers beyond a double's range.
      if (scanned === undefined) return;
      if (box === undefined) throw new Error('scanJson takes what parseJson refuses');
      expect(cameBack(box.value, parseJson(printJson(box.value)))).toBe(true);
    },
  });

  fuzz({
    name: 'label-selector',
    form: asText,
    runs: 1000,
    inputs: corpus => texts(labelWords, corpus),
    check: text => {
      const requirements = unless(isBadRequest, () => parseLabelSelector(text));
      if (requirements !== undefined) expect(typeof matchesLabels(requirements, someLabels)).toBe('boolean');
      const inMemory = memoryLabels.parseLabelSelector(text);
      if (inMemory !== undefined) expect(typeof inMemory(someLabels)).toBe('boolean');
    },
  });

  fuzz({
    name: 'field-selector',
    form: asText,
    runs: 1000,
    inputs: corpus => texts(fieldWords, corpus),
    check: text => {
      const requirements = unless(isBadRequest, () => parseFieldSelector(text));
      if (requirements !== undefined) {
        expect(typeof matchesFields(requirements, someFields)).toBe('boolean');
        const escaped = (value: string) => value.replace(/[\\,=]/g, '\\$&');
        const printed = requirements.map(r => `${r.field}${r.negated ? '!=' : '='}${escaped(r.value)}`).join(',');
        expect(parseFieldSelector(printed)).toEqual(requirements);
      }
      for (const { field } of memoryFields.parseFieldSelector(text) ?? []) expect(field).not.toBe('');
    },
  });

  fuzz({
    name: 'rest-path',
    form: asText,
    runs: 1000,
    inputs: corpus => texts(pathWords, corpus),
    check: text => {
      const path = parseResourcePath(text);
      if (path === undefined) return;
      for (const part of Object.values(path).slice(1)) expect(part).not.toBe('');
    },
  });
});

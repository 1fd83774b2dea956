import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadApiIdentity } from './api-identity.ts';

const now = Date.UTC(2026, 0, 1);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'calico-identity-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('loadApiIdentity gives the same certificates and token at every start of a folder', () => {
  const first = loadApiIdentity(folder, now);
  expect(loadApiIdentity(folder, now + 1)).toEqual(first);
  expect(first.certificates.ca).toContain('BEGIN CERTIFICATE');
  expect(first.token).toMatch(/^[0-9a-f]{48}$/);
});

test('loadApiIdentity keeps its file to its owner', () => {
  loadApiIdentity(folder, now);
  expect(statSync(join(folder, 'identity.json')).mode & 0o777).toBe(0o600);
});

test('loadApiIdentity makes another identity for another folder', () => {
  const other = mkdtempSync(join(tmpdir(), 'calico-identity-'));
  expect(loadApiIdentity(other, now).token).not.toBe(loadApiIdentity(folder, now).token);
  rmSync(other, { recursive: true });
});

for (const text of ['', '{', 'null', '{"token":"x"}', '{"token":"","certificates":{"ca":"a","cert":"b","key":"c"}}']) {
  test(`loadApiIdentity refuses a file that holds ${JSON.stringify(text)}, and says what to do`, () => {
    writeFileSync(join(folder, 'identity.json'), text);
    expect(() => loadApiIdentity(folder, now)).toThrow('remove it to have new ones');
  });
}

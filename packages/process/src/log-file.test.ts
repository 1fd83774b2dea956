import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { appendToLog } from './log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'log-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function newFile(change: { maxBytes?: number; maxAgeMs?: number; maxCount?: number } = {}) {
  return { path: join(folder, `${files++}`, 'deep', 'cni.log'), maxBytes: 20, maxAgeMs: 0, maxCount: 0, ...change };
}
const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

describe('appendToLog', () => {
  test('makes the file with its folders, for all to read', async () => {
    const file = newFile();
    await appendToLog(file, 'one\n', at(0));
    await appendToLog(file, 'two\n', at(1));
    expect(readFileSync(file.path, 'utf8')).toBe('one\ntwo\n');
    expect(statSync(file.path).mode & 0o777).toBe(0o644);
  });

  test('puts a full file aside, packed, under the time of day', async () => {
    const file = newFile();
    await appendToLog(file, 'twelve bytes\n', at(0));
    await appendToLog(file, 'twelve more.\n', at(1));
    expect(readFileSync(file.path, 'utf8')).toBe('twelve more.\n');
    const aside = 'cni-2026-01-01T00-00-01.000.log.zst';
    expect(readdirSync(join(file.path, '..')).sort()).toEqual([aside, 'cni.log']);
    expect(zstdDecompressSync(readFileSync(join(file.path, '..', aside))).toString()).toBe('twelve bytes\n');
  });

  test('keeps as many as it may, the newest', async () => {
    const file = newFile({ maxCount: 2 });
    for (let i = 0; i < 5; i++) await appendToLog(file, `line ${i} of twenty bytes\n`, at(i));
    expect(readdirSync(join(file.path, '..')).sort()).toEqual([
      'cni-2026-01-01T00-00-03.000.log.zst',
      'cni-2026-01-01T00-00-04.000.log.zst',
      'cni.log',
    ]);
  });

  test('lets go what is too old, and nothing that is not its own', async () => {
    const file = newFile({ maxAgeMs: 1_000 });
    await appendToLog(file, 'a line of twenty bytes\n', at(0));
    for (const name of ['cni-2025-01-01T00-00-00.000.log.zst', 'cni-config.txt', 'other.log']) {
      writeFileSync(join(file.path, '..', name), '');
      utimesSync(join(file.path, '..', name), new Date(0), new Date(0));
    }
    await appendToLog(file, 'a line of twenty bytes\n', new Date());
    const names = readdirSync(join(file.path, '..'));
    expect(names).not.toContain('cni-2025-01-01T00-00-00.000.log.zst');
    expect(names).toEqual(expect.arrayContaining(['cni-config.txt', 'other.log', 'cni.log']));
  });
});

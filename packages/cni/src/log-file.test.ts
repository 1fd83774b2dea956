import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { appendToLog } from './log-file.ts';
import { openPluginLog } from './plugin-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'cni-log-'));
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

describe('the log of the plugin', () => {
  async function logged(config: Record<string, unknown>) {
    let errors = '';
    const log = openPluginLog(config, { write: text => (errors += text) }, () => 0);
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({ n: 1 }, `a ${level}`);
    await log.flush();
    return errors;
  }

  test('goes to standard error from the level asked for, as lines like Calico’s', async () => {
    expect(await logged({})).toBe(
      ['INFO', 'WARNING', 'ERROR']
        .map(
          (name, i) => `1970-01-01 00:00:00.000 [${name}][${process.pid}] cni: a ${['info', 'warn', 'error'][i]} n=1\n`,
        )
        .join(''),
    );
    expect((await logged({ log_level: 'DEBUG' })).split('\n')).toHaveLength(5);
    expect((await logged({ log_level: 'error' })).split('\n')).toHaveLength(2);
  });

  test('goes to the file too, and a file that cannot be written refuses nobody', async () => {
    const path = join(folder, 'plugin', 'cni.log');
    await logged({ log_file_path: path });
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(4);
    expect(await logged({ log_file_path: `${path}/below` })).toContain(`Cannot write log file ${path}/below`);
  });

  const refusals: { name: string; config: Record<string, unknown> }[] = [
    { name: 'log_level', config: { log_level: 'loud' } },
    { name: 'log_file_path', config: { log_file_path: 'cni.log' } },
    { name: 'log_file_max_size', config: { log_file_path: '/a', log_file_max_size: '100' } },
    { name: 'log_file_max_age', config: { log_file_path: '/a', log_file_max_age: -1 } },
    { name: 'log_file_max_count', config: { log_file_path: '/a', log_file_max_count: 0.5 } },
  ];
  for (const { name, config } of refusals) {
    test(`refuses a ${name} that is none`, async () => {
      await expect(logged(config)).rejects.toThrow(`Cannot use network configuration: ${name} is`);
    });
  }
});

import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPluginLog } from './plugin-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'cni-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

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

import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogFiles } from './log-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'log-files-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => ({ path: join(folder, name), maxBytes: 1 << 20, maxAgeMs: 0, maxCount: 0 });

test('nobody waits for the disk, and lines stay in order', async () => {
  const files = new LogFiles(() => 0);
  const lines = Array.from({ length: 200 }, (_, i) => `line ${i}\n`);
  const written = lines.map(line => files.append(file('order.log'), line));
  expect(statSync(file('order.log').path, { throwIfNoEntry: false })).toBeUndefined();
  await Promise.all(written);
  expect(readFileSync(file('order.log').path, 'utf8')).toBe(lines.join(''));
});

test('each line is there when its write has resolved, whatever comes meanwhile', async () => {
  const files = new LogFiles(() => 0);
  const append = async (i: number) => {
    await files.append(file('each.log'), `line ${i}\n`);
    expect(readFileSync(file('each.log').path, 'utf8')).toContain(`line ${i}\n`);
    if (i < 50) await append(i + 2);
  };
  await Promise.all([append(0), append(1)]);
  expect(readFileSync(file('each.log').path, 'utf8').match(/\n/g)).toHaveLength(52);
});

test('a file that cannot be written leaves the others alone, and is tried again', async () => {
  const files = new LogFiles(() => 0);
  const below = join(folder, 'below');
  writeFileSync(below, '');
  const [bad, good] = [file('below/x.log'), file('good.log')];
  const results = await Promise.allSettled([
    files.append(bad, 'a\n'),
    files.append(bad, 'b\n'),
    files.append(good, 'c\n'),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  rmSync(below);
  await files.append(bad, 'd\n');
  expect(readFileSync(bad.path, 'utf8')).toBe('d\n');
  await files.settled();
});

test('what waits for a disk is bounded', async () => {
  const files = new LogFiles(() => 0);
  const half = `${'x'.repeat(600_000)}\n`;
  const first = files.append(file('much.log'), 'first\n');
  const waits = files.append(file('much.log'), half);
  await expect(files.append(file('much.log'), half)).rejects.toThrow('wait for it already');
  await Promise.all([first, waits]);
  await files.settled();
});

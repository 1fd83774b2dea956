import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@calico/process';
import { LogFiles } from '@calico/process/log-files';
import { AgentLogFile } from './agent-log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'agent-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

function setting() {
  const screen: string[] = [];
  const log = createLog({ component: 'node', level: 'warn', write: line => void screen.push(line) });
  const files = new LogFiles(() => 0);
  return { screen, log, files, file: new AgentLogFile(log.logger, files) };
}

const messages = (text: string) => [...text.matchAll(/ node: (\w+)/g)].map(([, message]) => message);

test('the log goes to the file from its own level on, and to another as soon as that is asked for', async () => {
  const { screen, log, files, file } = setting();
  const [one, two] = [join(folder, 'one', 'felix.log'), join(folder, 'two.log')];
  log.logger.error('before');
  log.alsoTo(file.targets({ logFilePath: one, logFileLevel: 'info' }));
  for (const level of ['debug', 'info', 'warn'] as const) log.logger[level](level);
  log.alsoTo(file.targets({ logFilePath: two, logFileLevel: 'error' }));
  for (const level of ['warn', 'error'] as const) log.logger[level](level);
  log.alsoTo(file.targets({ logFilePath: '', logFileLevel: 'info' }));
  log.logger.error('after');
  await files.settled();
  expect(messages(readFileSync(one, 'utf8'))).toEqual(['info', 'warn']);
  expect(messages(readFileSync(two, 'utf8'))).toEqual(['error']);
  expect(messages(screen.join(''))).toEqual(['before', 'warn', 'warn', 'error', 'after']);
});

test('a file that cannot be written is said once, and is written as soon as it can be', async () => {
  const { screen, log, files, file } = setting();
  const below = join(folder, 'below');
  writeFileSync(below, '');
  const path = join(below, 'felix.log');
  log.alsoTo(file.targets({ logFilePath: path, logFileLevel: 'info' }));
  for (let i = 0; i < 5; i++) log.logger.info('lost');
  await files.settled();
  expect(screen).toHaveLength(1);
  expect(screen[0]).toContain(`Log file cannot be written (LogFilePath) err=`);
  expect(screen[0]).toContain(path);
  rmSync(below);
  mkdirSync(below);
  log.logger.info('kept');
  await files.settled();
  expect(messages(readFileSync(path, 'utf8'))).toEqual(['kept']);
});

import { afterEach, beforeEach, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLabFolder, removeLabFolder, runningLabs, sweepLabFolders, writeLabRecord } from './lab-folder.ts';

const home = process.env.TMPDIR;
let scratch = '';

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'folder-test-'));
  process.env.TMPDIR = scratch;
});
afterEach(() => {
  if (home === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = home;
  rmSync(scratch, { recursive: true });
});

/** The id of a process that has ended. */
function endedPid(): number {
  return Bun.spawnSync(['true']).pid;
}

/** A folder as a lab of the past left it. */
function leave(name: string, pid: string | undefined, secondsAgo = 0): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  if (pid !== undefined) writeFileSync(join(folder, 'supervisor.pid'), pid);
  const then = Date.now() / 1000 - secondsAgo;
  utimesSync(folder, then, then);
  return folder;
}

test('createLabFolder makes a folder for its user alone, which says whose it is', () => {
  const folder = createLabFolder();
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(folder, 'supervisor.pid'), 'utf8').trim()).toBe(String(process.pid));
  expect(existsSync(join(folder, 'logs'))).toBe(true);
});

test.each([
  { name: 'a lab that runs stays', folder: 'calico-lab-a', pid: () => `${process.pid}\n`, stays: true },
  { name: 'a lab that has ended goes', folder: 'calico-lab-a', pid: () => String(endedPid()), stays: false },
  { name: 'a folder that is just being made stays', folder: 'calico-lab-a', pid: () => undefined, stays: true },
  {
    name: 'a folder that was never finished goes',
    folder: 'calico-lab-a',
    pid: () => undefined,
    ago: 120,
    stays: false,
  },
  { name: 'a folder without a readable id goes', folder: 'calico-lab-a', pid: () => 'who knows', stays: false },
  { name: "somebody else's folder stays", folder: 'other-a', pid: () => String(endedPid()), stays: true },
])('sweepLabFolders: $name', ({ folder, pid, ago, stays }) => {
  const left = leave(folder, pid(), ago);
  sweepLabFolders();
  expect(existsSync(left)).toBe(stays);
});

test('createLabFolder sweeps first', () => {
  leave('calico-lab-dead', String(endedPid()));
  const folder = createLabFolder();
  expect(readdirSync(scratch).map(name => join(scratch, name))).toEqual([folder]);
});

test('runningLabs gives the labs whose supervisor lives, the newest first', () => {
  const record = (pid: number) => ({ pid, innerPid: 1, kubeconfig: '/k' });
  const [older, newer, dead] = [createLabFolder(), createLabFolder(), createLabFolder()];
  writeLabRecord(older, record(process.pid));
  writeLabRecord(newer, record(process.pid));
  writeLabRecord(dead, record(endedPid()));
  utimesSync(older, 1000, 1000);
  createLabFolder();
  leave('calico-lab-odd', `${process.pid}`);
  writeFileSync(join(scratch, 'calico-lab-odd', 'lab.json'), '{');
  expect(runningLabs().map(lab => lab.folder)).toEqual([newer, older]);
});

test('removeLabFolder removes a lab folder, and no other', () => {
  const [lab, other] = [createLabFolder(), leave('precious', undefined)];
  removeLabFolder(lab);
  removeLabFolder(other);
  removeLabFolder('');
  expect(readdirSync(scratch)).toEqual(['precious']);
});

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const prefix = 'calico-lab-';

/** What a running lab leaves for other commands of its user. */
export interface LabRecord {
  /** The supervisor. */
  readonly pid: number;
  /** The inner half's first process, as seen from outside its namespaces. */
  readonly innerPid: number;
  readonly kubeconfig: string;
}

/** Makes the folder of a new lab, for its user alone, and sweeps away those whose lab has ended. */
export function createLabFolder(): string {
  sweepLabFolders();
  const folder = mkdtempSync(join(tmpdir(), prefix));
  writeFileSync(join(folder, 'supervisor.pid'), `${process.pid}\n`, { mode: 0o600 });
  mkdirSync(join(folder, 'logs'), { mode: 0o700 });
  return folder;
}

/** Removes a lab's folder; leaves any other folder alone. */
export function removeLabFolder(folder: string): void {
  if (basename(folder).startsWith(prefix)) rmSync(folder, { recursive: true, force: true });
}

/** Writes the record by which other commands find the lab. */
export function writeLabRecord(folder: string, record: LabRecord): void {
  writeFileSync(join(folder, 'lab.json'), JSON.stringify(record), { mode: 0o600 });
}

/** The running labs of this user, newest first. */
export function runningLabs(): (LabRecord & { readonly folder: string })[] {
  const labs = ownFolders().flatMap(folder => {
    try {
      const record = JSON.parse(readFileSync(join(folder, 'lab.json'), 'utf8')) as LabRecord;
      return isAlive(record.pid) ? [{ ...record, folder, made: statSync(folder).mtimeMs }] : [];
    } catch {
      return [];
    }
  });
  return labs.sort((a, b) => b.made - a.made);
}

/** Removes the folders of this user's labs whose supervisor has ended, as after kill -9. */
export function sweepLabFolders(): void {
  for (const folder of ownFolders()) {
    let pid = 0;
    try {
      pid = Number(readFileSync(join(folder, 'supervisor.pid'), 'utf8'));
    } catch {
      // Made this moment, or half removed: not ours to judge unless it is old.
      if (Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0) < 60_000) continue;
    }
    if (!isAlive(pid)) rmSync(folder, { recursive: true, force: true });
  }
}

function ownFolders(): string[] {
  return readdirSync(tmpdir())
    .filter(name => name.startsWith(prefix))
    .map(name => join(tmpdir(), name))
    .filter(folder => statSync(folder, { throwIfNoEntry: false })?.uid === process.getuid?.());
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

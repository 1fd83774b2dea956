import { expect } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Client, DatastoreType } from '@calico/datastore';
import { type MemoryClient, memoryClient } from '@calico/datastore/memory';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { calicoctl } from './program.ts';
import type { NodeState, World } from './world.ts';

/** What a command line did. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A machine for command lines: a datastore, a folder for files, text on stdin. */
export class Desk {
  readonly folder = mkdtempSync(join(tmpdir(), 'calicoctl-'));
  readonly client: Client;
  type: DatastoreType = 'kubernetes';
  version = 'v3.33.0';
  stdin = '';
  node: NodeState = { running: false, sessions: undefined };
  /** What the agent of the machine has. */
  agentTables: Readonly<Record<string, object>> = {};
  /** Answers requests by HTTP. */
  http: (url: string) => unknown = url => {
    throw new Error(`cannot ask ${url}`);
  };
  /** Pauses that were asked for, in ms. */
  readonly slept: number[] = [];

  constructor(client: Client = memoryClient()) {
    this.client = client;
  }

  /** Writes a file into the folder; gives its path. */
  file(name: string, text: string): string {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Runs a command line, words apart by spaces; `$DIR` is the folder. Of the output the folder's name is taken out again. */
  async run(line: string, ...more: string[]): Promise<Ran> {
    let [out, err] = ['', ''];
    const world: World = {
      env: { HOME: this.folder },
      version: this.version,
      commit: '0123abc',
      out: text => {
        out += text;
      },
      err: text => {
        err += text;
      },
      readStdin: () => Buffer.from(this.stdin),
      sleep: async ms => {
        this.slept.push(ms);
      },
      openDatastore: async () => ({ type: this.type, client: this.client }),
      openIpam: async client => new Ipam({ client, clock: new ClockFake(), random: seededRandom(1) }),
      nodeState: async () => this.node,
      agentTable: async name => {
        if (this.agentTables[name] === undefined) throw new Error('nobody answers on debug.sock');
        return this.agentTables[name];
      },
      fetchJson: async url => this.http(url),
    };
    const args = [...line.split(' '), ...more].map(word => word.replaceAll('$DIR', this.folder));
    const code = await calicoctl(args, world);
    const clean = (text: string): string => text.replaceAll(`${this.folder}/`, '');
    return { code, out: clean(out), err: clean(err) };
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** The memory datastore of a desk made without another. */
export function memoryOf(desk: Desk): MemoryClient {
  return desk.client as MemoryClient;
}

/** Compares text with a file in testdata; with UPDATE_GOLDEN=1 it is written instead. */
export function expectGolden(name: string, text: string): void {
  const path = join(import.meta.dir, 'testdata', name);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, 'utf8'));
}

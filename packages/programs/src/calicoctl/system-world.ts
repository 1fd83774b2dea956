import { readFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { commit, version } from '../version.ts';
import type { NodeState, World } from './world.ts';

const STDOUT = 1;
const STDERR = 2;
/** How long a full pipe is left to its reader before the next try. */
const PIPE_PAUSE_MS = 2;

/** The machine itself. Everything is loaded when it is used: starting is most of what a command takes. */
export function systemWorld(env: World['env']): World {
  const runFolder = env.CALICO_RUN_DIR || '/var/run/calico';
  return {
    env,
    version,
    commit,
    out: text => writeAll(STDOUT, text),
    err: text => writeAll(STDERR, text),
    readStdin: () => readFileSync(0),
    sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
    openDatastore: async config => (await import('../datastore/open.ts')).openDatastore(config, { env }),
    openIpam: async client => {
      const [{ Ipam }, { systemClock, systemRandom }] = await Promise.all([
        import('@calico/ipam'),
        import('@calico/process'),
      ]);
      return new Ipam({ client, clock: systemClock, random: systemRandom });
    },
    nodeState: () => nodeState(runFolder),
    agentTable: async (name, limit) => {
      const { askTable, asObjects, debugSocket } = await import('../debug/ask.ts');
      return asObjects(await askTable(`${runFolder}/${debugSocket}`, name, limit));
    },
    fetchJson,
  };
}

/** How long a server may take for its answer, in ms. */
const httpPatience = 60_000;

async function fetchJson(url: string): Promise<unknown> {
  const { origin } = new URL(url);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(httpPatience) });
    const text = await response.text();
    if (text.trimStart().startsWith('{')) return JSON.parse(text);
    throw new Error(`it answers ${response.status} and no JSON`);
  } catch (cause) {
    throw new Error(`cannot ask ${origin}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Writes all of a text, also where the reader is slow: the process may end right after. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; ) {
    try {
      from += writeSync(fd, bytes, from);
    } catch (err) {
      const code = err instanceof Error && 'code' in err ? err.code : undefined;
      // A reader that went away wants no more.
      if (code === 'EPIPE') return;
      if (code !== 'EAGAIN') throw err;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_PAUSE_MS);
    }
  }
}

async function nodeState(runFolder: string): Promise<NodeState> {
  const [running, sessions] = await Promise.all([
    answers(`${runFolder}/cni.sock`),
    bgpSessions(`${runFolder}/bird.ctl`),
  ]);
  return { running, sessions };
}

async function bgpSessions(socket: string): Promise<NodeState['sessions']> {
  const { isUnreachable, openBird } = await import('@calico/bird');
  try {
    return await openBird(socket).bgpSessions();
  } catch (err) {
    if (isUnreachable(err)) return undefined;
    throw err;
  }
}

/** Whether somebody listens on a unix socket. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

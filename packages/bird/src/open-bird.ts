import { connect, type Socket } from 'node:net';
import type { BirdControl } from './bird-control.ts';
import { BirdError } from './error.ts';
import { parseBgpSessions, parseProtocols, parseRoutes, parseStatus } from './parse-reply.ts';
import { type ReplyLine, ReplyReader } from './reply.ts';

export interface OpenBirdOptions {
  /** The longest silence of BIRD in one call, in milliseconds; 2000 by default. */
  readonly timeoutMs?: number;
}

/** The greeting's code, and the least of those that are errors. BIRD: doc/reply_codes */
const READY = 1;
const FIRST_ERROR = 8000;

/**
 * BIRD's control socket. Nothing is opened before the first call, and each call has a connection of its own: BIRD may come
 * and go in between.
 */
export function openBird(socketPath: string, { timeoutMs = 2000 }: OpenBirdOptions = {}): BirdControl {
  const ask = (command: string) => exchange(socketPath, command, timeoutMs);
  return {
    status: async () => parseStatus(await ask('show status')),
    protocols: async () => parseProtocols(await ask('show protocols')),
    bgpSessions: async () => parseBgpSessions(await ask('show protocols all')),
    routes: async () => parseRoutes(await ask('show route')),
    configure: async () => {
      await ask('configure');
    },
    shutdown: async () => {
      await ask('down');
    },
  };
}

/** One command on a connection of its own: the lines of the answer. */
function exchange(path: string, command: string, timeoutMs: number): Promise<ReplyLine[]> {
  const act = `Cannot ask BIRD at ${path} to "${command}"`;
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ path });
    const reader = new ReplyReader();
    let greeted = false;
    let settled = false;
    const end = (settle: () => void) => {
      if (settled) return;
      settled = true;
      socket.destroy();
      settle();
    };
    const fail = (error: BirdError) => end(() => reject(error));
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () => fail(new BirdError('Timeout', `${act}: no answer within ${timeoutMs} ms`)));
    socket.on('error', cause => fail(connectionError(act, cause)));
    socket.on('close', () => fail(new BirdError('Ended', `${act}: the connection ended`)));
    socket.on('data', (piece: string) => {
      try {
        for (const reply of reader.read(piece)) {
          if (!greeted) {
            if (reply.at(-1)?.code !== READY) throw new BirdError('Malformed', `${act}: no greeting`);
            greeted = true;
            socket.write(`${command}\n`);
            continue;
          }
          const last = reply.at(-1);
          if (last === undefined || last.code >= FIRST_ERROR) throw new BirdError('Refused', `${act}: ${last?.text}`);
          end(() => resolve(reply));
        }
      } catch (error) {
        end(() => reject(error));
      }
    });
  });
}

function connectionError(act: string, cause: Error): BirdError {
  const code = 'code' in cause ? String(cause.code) : cause.message;
  const nobody = code === 'ENOENT' || code === 'ECONNREFUSED';
  return new BirdError(nobody ? 'Unreachable' : 'Ended', `${act}: ${code}`, { cause });
}

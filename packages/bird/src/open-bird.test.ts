import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBird } from './open-bird.ts';

let server: Server | undefined;
let folder: string | undefined;
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** A socket at which someone says these pieces, one for each thing it hears, the first at once. */
async function listening(pieces: readonly string[]): Promise<string> {
  folder = mkdtempSync(join(tmpdir(), 'bird-socket-'));
  const path = join(folder, 'bird.ctl');
  const listener = createServer(socket => {
    sockets.add(socket);
    const rest = [...pieces];
    const say = () => socket.write(rest.shift() ?? '');
    say();
    socket.on('data', say);
    socket.on('error', () => undefined);
  });
  server = listener;
  await new Promise<void>(resolve => listener.listen(path, resolve));
  return path;
}

const GREETING = '0001 BIRD 2.0.12 ready.\n';

test('a BIRD that is silent is given up after the timeout', async () => {
  const bird = openBird(await listening([GREETING]), { timeoutMs: 30 });
  expect(await bird.status().catch(error => error)).toMatchObject({ name: 'BirdError', code: 'Timeout' });
});

test('a BIRD that does not even greet is given up after the timeout', async () => {
  const bird = openBird(await listening([]), { timeoutMs: 30 });
  expect(await bird.status().catch(error => error)).toMatchObject({ code: 'Timeout' });
});

test('someone who is no BIRD is not understood', async () => {
  const bird = openBird(await listening(['SSH-2.0-OpenSSH_9.2\r\n']));
  expect(await bird.status().catch(error => error)).toMatchObject({ code: 'Malformed' });
});

test('an answer without what was asked for is not understood', async () => {
  const bird = openBird(await listening([GREETING, '0013 Daemon is up and running\n']));
  expect(await bird.status().catch(error => error)).toMatchObject({ code: 'Malformed' });
});

test('an error of BIRD keeps its words', async () => {
  const bird = openBird(await listening([GREETING, '0002-Reading configuration\n8002 bird.cfg:1:1 syntax error\n']));
  expect(await bird.configure().catch(error => error)).toMatchObject({
    code: 'Refused',
    message: expect.stringContaining('bird.cfg:1:1 syntax error'),
  });
});

test('a socket without a file is unreachable', async () => {
  const bird = openBird('/nonexistent/bird.ctl');
  expect(await bird.status().catch(error => error)).toMatchObject({ code: 'Unreachable' });
});

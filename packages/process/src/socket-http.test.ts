import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchSocket, socketServer } from './socket-http.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'socket-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a socket server answers its owner alone, and leaves nothing behind', async () => {
  const path = join(folder, 'run', 'debug.sock');
  const server = socketServer('test', path, request => new Response(new URL(request.url).pathname));
  await server.start?.();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await (await fetchSocket(path, '/page', 5_000)).text()).toBe('/page');
  const second = socketServer('test', path, () => new Response('other'));
  expect(second.start?.()).rejects.toThrow('another node agent listens there');
  await server.stop?.();
  expect(readdirSync(join(folder, 'run'))).toEqual([]);
});

test('a socket that a process left behind is replaced', async () => {
  const path = join(folder, 'debug.sock');
  writeFileSync(path, '');
  const server = socketServer('test', path, () => new Response('here'));
  await server.start?.();
  expect(await (await fetchSocket(path, '/', 5_000)).text()).toBe('here');
  await server.stop?.();
});

test('who asks where nobody listens is told so', () => {
  const path = join(folder, 'none.sock');
  expect(fetchSocket(path, '/', 5_000)).rejects.toThrow(`nobody answers on ${path}: the socket is not there`);
});

test('a body is made no faster than it is read', async () => {
  const path = join(folder, 'debug.sock');
  let made = 0;
  const chunk = new Uint8Array(64 * 1024);
  const server = socketServer('test', path, request => {
    if (request.url.endsWith('/other')) return new Response(String(made));
    const body = new ReadableStream({
      pull(controller) {
        made++;
        controller.enqueue(chunk);
        if (made === 2_000) controller.close();
      },
    });
    return new Response(body);
  });
  await server.start?.();
  const { body } = await fetchSocket(path, '/', 30_000);
  const reader = body?.getReader();
  let size = (await reader?.read())?.value?.length ?? 0;
  // The reader waits; the server has all the time in the world meanwhile.
  for (let i = 0; i < 200; i++) await (await fetchSocket(path, '/other', 5_000)).text();
  expect(made).toBeLessThan(1_000);
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read())
    size += part.value.length;
  expect(size).toBe(2_000 * chunk.length);
  await server.stop?.();
});

import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClockFake } from '@calico/reconcile';
import { runCniPlugin } from './plugin.ts';
import type { CniAnswer, CniRequest } from './protocol.ts';
import { type CniServer, startCniServer } from './server.ts';
import { fakeWorld, request } from './testing.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const folders: string[] = [];
const servers: CniServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newSocketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cni-test-'));
  folders.push(folder);
  return join(folder, 'run', 'cni.sock');
}

async function serve(socketPath: string, handler: (request: CniRequest) => Promise<CniAnswer>): Promise<CniServer> {
  const server = await startCniServer({ socketPath, handler, log: silent });
  servers.push(server);
  return server;
}

/** Calls the plugin as a runtime does, for what a request would say. */
async function call({ plugin, command, parameters, config }: CniRequest, agent: string) {
  let printed = '';
  const exitCode = await runCniPlugin({
    argv0: `/opt/cni/bin/${plugin}`,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: parameters.containerId,
      CNI_NETNS: parameters.netns,
      CNI_IFNAME: parameters.ifname,
      CNI_ARGS: parameters.args,
      CNI_PATH: '/opt/cni/bin',
    },
    stdin: JSON.stringify({ ...config, agent }),
    stdout: { write: text => (printed += text) },
    stderr: { write: () => {} },
  });
  return { exitCode, printed: printed === '' ? undefined : JSON.parse(printed) };
}

describe('plugin and server', () => {
  test('set up a pod and take it away over a unix socket', async () => {
    const world = await fakeWorld();
    await world.addPod('web');
    const socketPath = newSocketPath();
    await serve(socketPath, world.handler);
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    const added = await call(request('ADD'), socketPath);
    expect(added).toMatchObject({ exitCode: 0, printed: { ips: [{ address: '10.65.0.64/32' }] } });
    const previous = { config: { prevResult: added.printed } };
    expect(await call(request('CHECK', previous), socketPath)).toEqual({ exitCode: 0, printed: undefined });
    expect(await call(request('DEL'), socketPath)).toEqual({ exitCode: 0, printed: undefined });
    expect(await call(request('CHECK', previous), socketPath)).toMatchObject({ exitCode: 1, printed: { code: 999 } });
  });

  test('replace a socket left behind, and refuse to take one that is answered', async () => {
    const socketPath = newSocketPath();
    const server = await serve(socketPath, async () => ({ output: null }));
    await expect(startCniServer({ socketPath, handler: async () => ({ output: null }), log: silent })).rejects.toThrow(
      'another node agent listens there',
    );
    await server.stop();
    expect(statSync(socketPath, { throwIfNoEntry: false })).toBeUndefined();
    writeFileSync(socketPath, 'left behind');
    await serve(socketPath, async () => ({ output: { fresh: true } }));
    expect(await call(request('ADD'), socketPath)).toEqual({ exitCode: 0, printed: { fresh: true } });
  });

  test('end calls under way before they stop', async () => {
    const socketPath = newSocketPath();
    const asked = Promise.withResolvers<void>();
    const done = Promise.withResolvers<CniAnswer>();
    const server = await serve(socketPath, () => {
      asked.resolve();
      return done.promise;
    });
    const called = call(request('DEL'), socketPath);
    await asked.promise;
    const stopped = server.stop();
    done.resolve({ output: null });
    expect(await called).toEqual({ exitCode: 0, printed: undefined });
    await stopped;
  });

  test('answer "try again later" when a call takes too long, and hang up on who says nothing', async () => {
    const socketPath = newSocketPath();
    const clock = new ClockFake();
    const asked = Promise.withResolvers<void>();
    const handler = () => {
      asked.resolve();
      return new Promise<CniAnswer>(() => {});
    };
    // Not stopped: this handler never ends.
    await startCniServer({ socketPath, handler, log: silent, clock });
    const silence = Promise.withResolvers<void>();
    const idle = createConnection({ path: socketPath });
    idle.on('close', () => silence.resolve());
    const called = call(request('ADD'), socketPath);
    await asked.promise;
    await clock.advance(90_000);
    expect(await called).toMatchObject({ exitCode: 1, printed: { code: 11 } });
    await silence.promise;
  });

  test('answer what is no request with CNI error 6, and hang up on what is too long', async () => {
    const socketPath = newSocketPath();
    await serve(socketPath, async () => ({ output: null }));
    const say = async (text: string) => {
      let heard = '';
      const closed = Promise.withResolvers<void>();
      const socket = createConnection({ path: socketPath });
      socket.on('connect', () => socket.write(text));
      socket.on('data', (bytes: Uint8Array) => {
        heard += new TextDecoder().decode(bytes);
      });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => closed.resolve());
      await closed.promise;
      return heard;
    };
    expect(await say('nonsense\n')).toContain('"code":6');
    expect(await say('x'.repeat((1 << 20) + 1))).toBe('');
  });

  test('pass through an agent that ends before it answers', async () => {
    const socketPath = newSocketPath();
    rmSync(join(socketPath, '..'), { recursive: true, force: true });
    await (await serve(socketPath, async () => ({ output: null }))).stop();
    let calls = 0;
    const flaky = createServer(socket => {
      calls++;
      if (calls === 1) socket.destroy();
      else socket.on('data', () => socket.end('{"output":{"second":true}}\n'));
    });
    await new Promise<void>(resolve => flaky.listen(socketPath, resolve));
    expect(await call(request('ADD'), socketPath)).toEqual({ exitCode: 0, printed: { second: true } });
    flaky.close();
  });
});

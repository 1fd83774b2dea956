import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PluginIo, runCniPlugin } from './plugin.ts';

const environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/absent',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
};
const config = {
  cniVersion: '1.0.0',
  name: 'net',
  type: 'calico',
  agent: '/absent/cni.sock',
  agent_timeout_seconds: 0,
};

/** Runs the plugin with changes to what a runtime would give it. */
async function run(
  env: Record<string, string>,
  change: Record<string, unknown> | string = {},
  more: Partial<PluginIo> = {},
) {
  let printed = '';
  const exitCode = await runCniPlugin({
    env: { ...environment, ...env },
    stdin: typeof change === 'string' ? change : JSON.stringify({ ...config, ...change }),
    stdout: {
      write(text) {
        printed += text;
      },
    },
    stderr: { write: () => {} },
    argv0: 'calico',
    ...more,
  });
  return { exitCode, printed: printed === '' ? undefined : JSON.parse(printed) };
}

describe('the plugin refuses', () => {
  const cases: {
    name: string;
    env?: Record<string, string>;
    config?: Record<string, unknown> | string;
    code: number;
    msg: string;
  }[] = [
    { name: 'an unknown command', env: { CNI_COMMAND: 'MOVE' }, code: 4, msg: 'CNI_COMMAND is "MOVE"' },
    { name: 'no command', env: { CNI_COMMAND: '' }, code: 4, msg: 'CNI_COMMAND is ""' },
    { name: 'ADD without container', env: { CNI_CONTAINERID: '' }, code: 4, msg: 'CNI_CONTAINERID not set' },
    {
      name: 'ADD without namespace and path',
      env: { CNI_NETNS: '', CNI_PATH: '' },
      code: 4,
      msg: 'CNI_NETNS, CNI_PATH',
    },
    { name: 'DEL without interface', env: { CNI_COMMAND: 'DEL', CNI_IFNAME: '' }, code: 4, msg: 'CNI_IFNAME not set' },
    {
      name: 'CHECK without namespace',
      env: { CNI_COMMAND: 'CHECK', CNI_NETNS: '' },
      code: 4,
      msg: 'CNI_NETNS not set',
    },
    { name: 'a bad container', env: { CNI_CONTAINERID: '-a' }, code: 4, msg: 'CNI_CONTAINERID is "-a"' },
    { name: 'a long interface', env: { CNI_IFNAME: 'sixteen-letters!' }, code: 4, msg: 'at most 15 bytes' },
    { name: 'an interface with a slash', env: { CNI_IFNAME: 'a/b' }, code: 4, msg: 'CNI_IFNAME is "a/b"' },
    { name: 'the interface "."', env: { CNI_IFNAME: '.' }, code: 4, msg: 'CNI_IFNAME is "."' },
    { name: 'no configuration', config: '', code: 6, msg: 'it is no JSON' },
    { name: 'a configuration that is a list', config: '[]', code: 6, msg: 'no JSON object' },
    { name: 'an unknown version', config: { cniVersion: '2.0.0' }, code: 1, msg: 'cniVersion is "2.0.0"' },
    { name: 'a version that is no text', config: { cniVersion: 1 }, code: 1, msg: 'cniVersion is 1' },
    {
      name: 'CHECK before 0.4.0',
      env: { CNI_COMMAND: 'CHECK' },
      config: { cniVersion: '0.3.1' },
      code: 1,
      msg: '0.4.0 or newer',
    },
    { name: 'GC before 1.1.0', env: { CNI_COMMAND: 'GC' }, code: 1, msg: '1.1.0 or newer' },
    { name: 'STATUS before 1.1.0', env: { CNI_COMMAND: 'STATUS' }, code: 1, msg: '1.1.0 or newer' },
    { name: 'no network name', config: { name: '' }, code: 7, msg: 'name is ""' },
    { name: 'a bad network name', config: { name: 'a b' }, code: 7, msg: 'name is "a b"' },
    { name: 'to work without an agent', config: { agent: 'none' }, code: 7, msg: 'agent is "none"' },
    {
      name: 'a timeout that is none',
      config: { agent_timeout_seconds: '5' },
      code: 7,
      msg: 'agent_timeout_seconds is "5"',
    },
    { name: "the host's own namespace", env: { CNI_NETNS: '/proc/self/ns/net' }, code: 8, msg: "host's own namespace" },
    { name: 'to go on without its agent', code: 11, msg: 'no node agent answers on /absent/cni.sock' },
  ];
  for (const { name, env = {}, config: change, code, msg } of cases) {
    test(name, async () => {
      const { exitCode, printed } = await run(env, change);
      expect({ exitCode, code: printed.code }).toEqual({ exitCode: 1, code });
      expect(printed.msg).toContain(msg);
      expect(printed.cniVersion).toMatch(/^\d\.\d\.\d$/);
    });
  }

  test('standard input that cannot be read', async () => {
    const stdin = () => {
      throw new Error('EIO');
    };
    expect((await run({}, {}, { stdin })).printed).toMatchObject({ code: 5, details: 'Error: EIO' });
  });
});

describe('the plugin', () => {
  const supportedVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

  test('answers VERSION without an agent, whatever the input', async () => {
    const env = { CNI_COMMAND: 'VERSION', CNI_PATH: '', CNI_CONTAINERID: '' };
    expect(await run(env)).toEqual({ exitCode: 0, printed: { cniVersion: '1.0.0', supportedVersions } });
    expect(await run(env, '')).toEqual({ exitCode: 0, printed: { cniVersion: '1.1.0', supportedVersions } });
  });

  test('answers errors in the version of the configuration', async () => {
    expect((await run({}, { cniVersion: '0.3.1' })).printed).toMatchObject({ cniVersion: '0.3.1', code: 11 });
    expect((await run({}, { cniVersion: '' })).printed).toMatchObject({ cniVersion: '0.2.0', code: 11 });
  });

  test('waits for an agent with growing delays up to the bound, then names the cause', async () => {
    let now = 0;
    const delays: number[] = [];
    const time = {
      wallTime: () => 0,
      now: () => now,
      async sleep(ms: number) {
        delays.push(ms);
        now += ms;
      },
    };
    const { printed } = await run({}, { agent_timeout_seconds: 2 }, { time });
    expect(printed).toMatchObject({
      code: 11,
      msg: 'Cannot ADD network: no node agent answers on /absent/cni.sock within 2 s',
      details:
        'the socket is not there: the agent is not running yet; asked 9 times since 1970-01-01T00:00:00.000Z; its folder /absent is not there',
    });
    expect(delays.slice(0, 5)).toEqual([20, 40, 80, 160, 320]);
    expect(delays.reduce((sum, ms) => sum + ms, 0)).toBe(2000);
  });

  test('hands the call over as it is, and prints what the agent answers', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cni-test-'));
    const heard: unknown[] = [];
    const answers = [{ output: { done: true } }, { error: { code: 50, msg: 'not now', details: 'why' } }];
    const agent = createServer(socket => {
      socket.on('data', bytes => {
        heard.push(JSON.parse(bytes.toString()));
        socket.end(`${JSON.stringify(answers.shift())}\n`);
      });
    });
    await new Promise<void>(resolve => agent.listen(join(folder, 'cni.sock'), resolve));
    const env = { CNI_ARGS: 'K8S_POD_NAME=web', CALICO_RUN_DIR: folder };
    const stdin = JSON.stringify({ name: 'net', type: 'calico-ipam', mtu: 9000 });
    expect(await run(env, stdin, { argv0: '/opt/cni/bin/calico-ipam' })).toEqual({
      exitCode: 0,
      printed: { done: true },
    });
    expect(heard).toEqual([
      {
        plugin: 'calico-ipam',
        command: 'ADD',
        parameters: { containerId: 'c1', netns: '/run/netns/absent', ifname: 'eth0', args: 'K8S_POD_NAME=web' },
        config: { cniVersion: '0.2.0', name: 'net', type: 'calico-ipam', mtu: 9000 },
      },
    ]);
    const status = await run({ CNI_COMMAND: 'STATUS' }, { cniVersion: '1.1.0', agent: join(folder, 'cni.sock') });
    expect(status).toEqual({ exitCode: 1, printed: { cniVersion: '1.1.0', code: 50, msg: 'not now', details: 'why' } });
    agent.close();
    rmSync(folder, { recursive: true });
  });

  test('loads nothing but the socket and its own few files', async () => {
    // Split as the executable is: what is imported later is no part of it.
    const entrypoints = [join(import.meta.dir, 'plugin.ts')];
    const built = await Bun.build({ entrypoints, target: 'bun', splitting: true });
    const entry = built.outputs.find(({ kind }) => kind === 'entry-point');
    const files = new Map(await Promise.all(built.outputs.map(async each => [each.path, await each.text()] as const)));
    const chunksOf = (text: string): string[] =>
      [...text.matchAll(/(?:from|import) ?"\.\/([^"]+)"/g)].flatMap(([, name]) => {
        const chunk = files.get(`./${name}`) ?? '';
        return [chunk, ...chunksOf(chunk)];
      });
    const own = files.get(entry?.path ?? '') ?? '';
    const text = [own, ...chunksOf(own)].join('\n');
    expect(new Set(text.match(/from "(?!\.)[^"]+"/g))).toEqual(new Set(['from "fs"']));
    expect(text.length).toBeLessThan(32_000);
  });
});

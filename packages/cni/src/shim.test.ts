import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CniAnswer, CniRequest } from './protocol.ts';
import { type CniServer, startCniServer } from './server.ts';
import { parseShimCall, shimCallSize } from './shim-call.ts';

const compiler = Bun.which('cc');
const why = compiler === null ? ' (skipped: no C compiler)' : '';
const folder = mkdtempSync(join(tmpdir(), 'calico-shim-'));
const socketPath = join(folder, 'run', 'cni.sock');
const config = { cniVersion: '1.0.0', name: 'net', type: 'calico', agent: socketPath };
const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const result = { cniVersion: '1.0.0', ips: [{ address: '10.65.0.1/32' }] };

let server: CniServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

/** An agent on the socket, and what it is asked. */
async function agent(answer: CniAnswer | ((request: CniRequest) => Promise<CniAnswer>) = { output: result }) {
  const asked: CniRequest[] = [];
  const handler = async (request: CniRequest) => {
    asked.push(request);
    return typeof answer === 'function' ? await answer(request) : answer;
  };
  server = await startCniServer({ socketPath, handler, log: silent });
  return asked;
}

interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One life of the shim; the whole plugin in its folder tells by what name, arguments and input it was called. */
async function run(
  input: string,
  {
    name = 'calico',
    args = [],
    env = {},
  }: { name?: string; args?: string[]; env?: Record<string, string | undefined> } = {},
): Promise<Done> {
  const child = Bun.spawn([join(folder, name), ...args], {
    env: {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'c1',
      CNI_NETNS: '/run/netns/absent',
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
      CNI_ARGS: 'K8S_POD_NAME=web',
      PATH: process.env.PATH,
      ...env,
    },
    stdin: new TextEncoder().encode(input),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, stdout, stderr };
}

/** Says by what name and arguments it was called and what it reads, and ends with 7. */
const wholePlugin = `
#include <stdio.h>
int main(int argc, char **argv) {
  printf("whole as");
  for (int i = 0; i < argc; i++) printf(" %s", argv[i]);
  printf("\\n");
  for (int c = getchar(); c != EOF; c = getchar()) putchar(c);
  return 7;
}`;

describe.skipIf(compiler === null)(`the shim${why}`, () => {
  beforeAll(() => {
    const compile = (source: string, name: string, ...flags: string[]) => {
      const done = Bun.spawnSync(['cc', ...flags, '-o', join(folder, name), source]);
      expect(done.stderr.toString()).toBe('');
    };
    const strict = ['-std=gnu17', '-O2', '-static', '-Wall', '-Wextra', '-Werror'];
    compile(join(import.meta.dir, '..', 'shim', 'calico.c'), 'calico', ...strict);
    symlinkSync('calico', join(folder, 'calico-ipam'));
    writeFileSync(join(folder, 'whole.c'), wholePlugin);
    compile(join(folder, 'whole.c'), 'calico-plugin');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('prints what the agent answers, of a call as the plugin would have made it', async () => {
    const asked = await agent();
    const { code, stdout, stderr } = await run(JSON.stringify(config));
    expect([code, JSON.parse(stdout)]).toEqual([0, result]);
    expect(stdout.endsWith('\n')).toBe(true);
    expect(stderr).toMatch(/CNI call done.*c1/);
    const parameters = { containerId: 'c1', netns: '/run/netns/absent', ifname: 'eth0', args: 'K8S_POD_NAME=web' };
    expect(asked).toEqual([{ plugin: 'calico', command: 'ADD', parameters, config }]);
  });

  test('hands over the name that it was called by', async () => {
    const asked = await agent();
    await run(JSON.stringify(config), { name: 'calico-ipam' });
    expect(asked.map(({ plugin }) => plugin)).toEqual(['calico-ipam']);
  });

  test('prints errors with exit code 1, those of a configuration too', async () => {
    await agent({ error: { code: 11, msg: 'Cannot ADD network: later' } });
    const failed = await run(JSON.stringify(config));
    expect([failed.code, JSON.parse(failed.stdout)]).toEqual([
      1,
      { cniVersion: '1.0.0', code: 11, msg: 'Cannot ADD network: later' },
    ]);
    const bad = await run(JSON.stringify({ ...config, name: '' }));
    expect([bad.code, JSON.parse(bad.stdout).code]).toEqual([1, 7]);
    const command = await run(JSON.stringify(config), { env: { CNI_COMMAND: 'MOVE' } });
    expect([command.code, JSON.parse(command.stdout).code]).toEqual([1, 4]);
  });

  describe('of a log', () => {
    const path = join(folder, 'cni.log');
    const logging = (more: object = {}) => JSON.stringify({ ...config, log_file_path: path, ...more });
    /** What the whole plugin is asked to do, behind what the shim has printed. */
    const requested = ({ code, stdout, stderr }: Done, maxBytes: number) => {
      expect(code).toBe(7);
      const [printed = '', called = '', request = ''] = stdout.split('\n');
      expect([JSON.parse(printed), called]).toEqual([result, `whole as ${join(folder, 'calico')} -append-to-log`]);
      const file = { path, maxBytes, maxAgeMs: 30 * 86_400_000, maxCount: 10 };
      expect(JSON.parse(request)).toEqual({ file, lines: stderr, exitCode: 0 });
    };

    test('that is there appends what it prints to standard error', async () => {
      await agent();
      writeFileSync(path, 'before\n');
      const { code, stdout, stderr } = await run(logging());
      expect([code, JSON.parse(stdout)]).toEqual([0, result]);
      expect(stderr).toContain('CNI call done');
      expect(readFileSync(path, 'utf8')).toBe(`before\n${stderr}`);
    });

    test('that says nothing of such a call writes nothing', async () => {
      await agent();
      rmSync(path, { force: true });
      const { code, stderr } = await run(logging({ log_level: 'warning' }));
      expect([code, stderr, existsSync(path)]).toEqual([0, '', false]);
    });

    test('that is not there yet has the whole plugin make it', async () => {
      await agent();
      rmSync(path, { force: true });
      requested(await run(logging()), 100 << 20);
    });

    test('that is full has the whole plugin put it aside', async () => {
      await agent();
      writeFileSync(path, 'x'.repeat(1 << 20));
      requested(await run(logging({ log_file_max_size: 1 })), 1 << 20);
      expect(readFileSync(path, 'utf8')).toHaveLength(1 << 20);
    });
  });

  test('takes the agent’s usual socket where the configuration names none', async () => {
    const asked = await agent();
    const { agent: _, ...usual } = config;
    for (const text of [JSON.stringify(usual), JSON.stringify({ ...usual, agent: '' })]) {
      const { code } = await run(text, { env: { CALICO_RUN_DIR: join(folder, 'run') } });
      expect(code).toBe(0);
    }
    expect(asked.length).toBe(2);
  });

  test('takes a large configuration, and finds its agent however it is written', async () => {
    const asked = await agent();
    const previous = {
      ...result,
      routes: Array.from({ length: 5_000 }, (_, i) => ({ dst: `10.0.${i >> 8}.${i & 255}/32` })),
    };
    const { code } = await run(JSON.stringify({ ...config, prevResult: previous }, null, 2));
    expect(code).toBe(0);
    expect(asked[0]?.config.prevResult).toEqual(previous);
  });

  /** What stands on the socket, what is called, and that the whole plugin is called then, with the same input. */
  const handedOn: {
    name: string;
    agent?: CniAnswer;
    input: string;
    as?: string;
    args?: string[];
    env?: Record<string, string | undefined>;
  }[] = [
    { name: 'where nobody listens', input: JSON.stringify(config) },
    { name: 'without an agent', agent: { output: result }, input: JSON.stringify({ ...config, agent: 'none' }) },
    {
      name: 'where the configuration’s agent is another than its text seems to say',
      agent: { output: result },
      input: `{"args": ${JSON.stringify({ agent: socketPath })}, "cniVersion": "1.0.0", "name": "net", "agent": "/other/cni.sock"}`,
    },
    { name: 'where the configuration ends too early', input: '{"agent":' },
    { name: 'where the agent is no text', agent: { output: result }, input: JSON.stringify({ ...config, agent: 1 }) },
    {
      name: 'where the agent’s path is written with escapes',
      agent: { output: result },
      input: JSON.stringify(config).replace('/run/', '\\/run\\/'),
    },
    {
      name: 'when another IPAM plugin has to be run, in the caller’s namespace',
      agent: { output: null, delegate: { type: 'host-local', config: {} } },
      input: JSON.stringify(config),
    },
    {
      name: 'for more than the agent takes',
      agent: { output: result },
      input: JSON.stringify({ ...config, more: 'x'.repeat(1 << 20) }),
    },
    { name: 'for a path that no socket can have', input: JSON.stringify({ ...config, agent: `/${'x'.repeat(200)}` }) },
    { name: 'under its own name', input: JSON.stringify(config), as: 'calico-ipam' },
    { name: 'with arguments', agent: { output: result }, input: 'any', args: ['-t'] },
    { name: 'outside of CNI', agent: { output: result }, input: 'any', env: { CNI_COMMAND: undefined } },
  ];
  test.each(handedOn)('becomes the whole plugin $name', async each => {
    const { agent: answer, input, as = 'calico', args = [], env = {} } = each;
    const asked = answer === undefined ? [] : await agent(answer);
    const { code, stdout } = await run(input, { name: as, args, env });
    expect({ code, stdout }).toEqual({
      code: 7,
      stdout: `whole as ${[join(folder, as), ...args].join(' ')}\n${input}`,
    });
    expect(asked.length).toBe(answer !== undefined && 'delegate' in answer ? 1 : 0);
  });

  test.each([
    ['hangs up', ''],
    ['says only part of its answer', '0 100 0 0 0\n{"cniVersion"'],
    ['says too little of what to do', '0 2\n{}'],
    ['speaks of something else', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ])('becomes the whole plugin when who listens %s', async (_, words) => {
    const other = createServer(socket => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(words));
    });
    rmSync(socketPath, { force: true });
    await new Promise<void>(resolve => other.listen(socketPath, resolve));
    const { code, stdout } = await run(JSON.stringify(config));
    expect([code, stdout.split('\n')[1]]).toEqual([7, JSON.stringify(config)]);
    await new Promise(resolve => other.close(resolve));
  });

  test('says what to do where there is no whole plugin', async () => {
    const lonely = join(folder, 'lonely');
    mkdirSync(lonely);
    copyFileSync(join(folder, 'calico'), join(lonely, 'calico'));
    const { code, stdout } = await run(JSON.stringify({ ...config, agent: 'none' }), { name: 'lonely/calico' });
    expect(existsSync(join(lonely, 'calico-plugin'))).toBe(false);
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { code: 999, details: 'No such file or directory' }]);
    expect(JSON.parse(stdout).msg).toContain('calico-plugin');
    // A pod that has its network is not refused for a log.
    await agent();
    const path = join(lonely, 'cni.log');
    const added = await run(JSON.stringify({ ...config, log_file_path: path }), { name: 'lonely/calico' });
    expect([added.code, JSON.parse(added.stdout)]).toEqual([0, result]);
    expect(added.stderr).toContain(`Cannot write log file ${path}: the file calico-plugin`);
  });
});

test('a call by the shim is read only when it is whole', () => {
  expect([shimCallSize('call 12'), shimCallSize('{"call": 12}'), shimCallSize('call x')]).toEqual([
    12,
    undefined,
    undefined,
  ]);
  const whole = Buffer.from('calico\0/run/cni.sock\0CNI_ARGS=a=b\0CALICO_X=\0\0{"a":1}');
  expect(parseShimCall(whole)).toEqual({
    argv0: 'calico',
    socketPath: '/run/cni.sock',
    env: { CNI_ARGS: 'a=b', CALICO_X: '' },
    stdin: '{"a":1}',
  });
  expect(parseShimCall(Buffer.from('calico\0\0\0'))).toEqual({ argv0: 'calico', socketPath: '', env: {}, stdin: '' });
  expect(parseShimCall(whole.subarray(0, 40))).toBeUndefined();
});

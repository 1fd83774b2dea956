import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, RunningLab, scratchFolder } from './lab-command.ts';
import { type HostState, neededCommands, PrivateHost } from './private-host.ts';

const workloads = join(import.meta.dir, 'testdata/pair/workloads.yaml');
const policy = join(import.meta.dir, 'testdata/pair/policy.yaml');
const small = ['--nodes', '2', '--manifests', workloads];

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const missing = neededCommands.filter(name => Bun.which(name, { PATH }) === null);
const why = missing.length === 0 ? '' : ` (skipped: ${missing.join(', ')} not installed)`;

describe.skipIf(missing.length > 0)(`the lab leaves its host as it was${why}`, () => {
  let host: PrivateHost;
  let before: HostState;

  beforeAll(async () => {
    host = await PrivateHost.start();
    before = await host.state(host.scratch);
  });
  afterAll(() => host.close());

  /** Waits, ten seconds at most, until the host is as it was; shows the difference otherwise. */
  async function expectAsBefore(scratch: string): Promise<void> {
    let now: HostState = {};
    await eventually('the host as before', 10_000, async () => {
      now = await host.state(scratch);
      return Bun.deepEquals(now, before) ? true : undefined;
    }).catch(() => expect(now).toEqual(before));
    rmSync(scratch, { recursive: true, force: true });
  }

  test('the state of the host has all its parts, and shows a running lab', async () => {
    expect(before['named namespaces']).toBe('neighbour\n');
    expect(before.nftables).toContain('owners-own');
    expect(before.routes).toContain('10.244.0.0/24');
    const lab = await RunningLab.start(small, host.place);
    const during = await host.state(lab.scratch);
    expect(during.processes).toContain('lab inner');
    expect(during.temporary).toContain('calico-lab-');
    for (const part of ['links', 'addresses', 'routes', 'rules', 'nftables', 'named namespaces', 'mounts', 'switches'])
      expect(`${part}: ${during[part]}`).toBe(`${part}: ${before[part]}`);
    await lab.signal(lab.record.pid, 'INT');
    expect(await lab.whenEnded()).toBe(0);
    await expectAsBefore(lab.scratch);
  });

  test('after --once', async () => {
    const lab = RunningLab.launch(['--once', ...small], host.place);
    expect(await lab.whenEnded(30_000)).toBe(0);
    await expectAsBefore(lab.scratch);
  });

  test('after --once with BGP or VXLAN across subnets', async () => {
    const labs = [
      RunningLab.launch(['--once', '--encapsulation', 'none', ...small], host.place),
      RunningLab.launch(['--once', '--encapsulation', 'cross-subnet', ...small], host.place),
    ];
    // Side by side: two labs on one host do not meet.
    const hasBird = Bun.which('bird', { PATH }) !== null;
    expect(await labs[0]?.whenEnded(30_000)).toBe(hasBird ? 0 : 1);
    expect(await labs[1]?.whenEnded(30_000)).toBe(0);
    for (const lab of labs) await expectAsBefore(lab.scratch);
  });

  for (const signal of ['TERM', 'HUP']) {
    test(`after SIG${signal}`, async () => {
      const lab = await RunningLab.start(small, host.place);
      await lab.signal(lab.record.pid, signal);
      expect(await lab.whenEnded()).toBe(0);
      await expectAsBefore(lab.scratch);
    });
  }

  test('after Ctrl-C, which a terminal sends to all processes of the lab at once', async () => {
    const lab = await RunningLab.start(small, { enter: [...host.enter, 'setsid'] });
    await lab.outside(['kill', '-INT', '--', `-${lab.record.pid}`]);
    expect(await lab.whenEnded()).toBe(0);
    expect(lab.said).not.toMatch(/error|Cannot|exit code/i);
    await expectAsBefore(lab.scratch);
  });

  for (const moment of [
    'starting the API server',
    'building the fabric',
    'starting the node agents',
    'starting the pods',
  ]) {
    test(`after SIGINT and after kill -9 while it says "${moment}"`, async () => {
      for (const signal of ['INT', 'KILL']) {
        const lab = RunningLab.launch(small, host.place);
        await lab.whenSaid(moment);
        for (const pid of await supervisors(host)) await lab.signal(pid, signal);
        const exitCode = await lab.whenEnded();
        if (signal === 'INT') expect(exitCode).toBe(130);
        await expectAsBefore(lab.scratch);
      }
    });
  }

  test('after kill -9 of the supervisor, which holds the API server', async () => {
    const lab = await RunningLab.start(small, host.place);
    await lab.signal(lab.record.pid, 'KILL');
    expect(await lab.whenEnded()).toBeNull();
    await expectAsBefore(lab.scratch);
  });

  test('after kill -9 of the first process inside; the supervisor says so and ends with 1', async () => {
    const lab = await RunningLab.start(small, host.place);
    await lab.signal(lab.record.innerPid, 'KILL');
    expect(await lab.whenEnded()).toBe(1);
    expect(lab.said).toContain('inner half has ended');
    await expectAsBefore(lab.scratch);
  });

  test('after kill -9 of the command that made the namespaces', async () => {
    const lab = await RunningLab.start(small, host.place);
    const [launcher] = await processes(host, 'u[n]share .* lab inner');
    await lab.signal(launcher ?? 0, 'KILL');
    expect(await lab.whenEnded()).toBe(1);
    await expectAsBefore(lab.scratch);
  });

  test('after kill -9 of both halves at once the next lab sweeps the folder that they leave', async () => {
    const scratch = scratchFolder();
    const lab = RunningLab.launch(small, host.place, scratch);
    await lab.whenUp();
    const { pid, innerPid } = lab.record;
    await lab.outside(['kill', '-KILL', String(pid), String(innerPid)]);
    expect(await lab.whenEnded()).toBeNull();
    const next = RunningLab.launch(['--once', ...small], host.place, scratch);
    expect(await next.whenEnded(30_000)).toBe(0);
    await expectAsBefore(scratch);
  });

  test('a node agent that is killed comes back, and every connection is as before', async () => {
    const lab = await RunningLab.start(['--nodes', '2', '--manifests', workloads, policy], host.place);
    const fates = () => connections(lab);
    const then = await fates();
    expect(then).toEqual({ client: ['open', 'open'], other: ['closed', 'closed'] });
    const killed = await agents(host);
    expect(killed).toHaveLength(2);
    await lab.signal(killed[0] ?? 0, 'KILL');
    // While it is away the kernel keeps what it was told.
    expect(await fates()).toEqual(then);
    await eventually('the agent again', 10_000, async () => {
      const now = await agents(host);
      return now.length === 2 && !now.includes(killed[0] ?? 0) ? true : undefined;
    });
    for (const node of ['node1', 'node2']) {
      await eventually(`readiness of ${node}`, 10_000, async () => {
        const { stdout } = await lab.shell(node, process.execPath, '-e', readiness);
        return stdout === '200' ? true : undefined;
      });
    }
    expect(await fates()).toEqual(then);
    await lab.signal(lab.record.pid, 'INT');
    expect(await lab.whenEnded()).toBe(0);
    await expectAsBefore(lab.scratch);
  });
});

const readiness = `process.stdout.write(String((await fetch('http://127.0.0.1:9099/readiness')).status))`;

/** From the client and from the other pod to both servers. */
async function connections(lab: RunningLab): Promise<Record<string, string[]>> {
  const servers = lab.report.pods.filter(pod => pod.key.startsWith('default/web-'));
  const targets = servers.map(pod => ({ protocol: 'TCP', address: pod.ips[0] ?? '', port: 80 }) as const);
  const found = ['client', 'other'].map(
    async from => [from, (await lab.probe(from, targets)).map(f => f.fate)] as const,
  );
  return Object.fromEntries(await Promise.all(found));
}

/** Processes of a host whose command line matches the pattern, by their ids there, the oldest first. */
async function processes(host: PrivateHost, pattern: string): Promise<number[]> {
  const script = `for folder in /proc/[0-9]*; do
    tr '\\0' ' ' < $folder/cmdline 2>/dev/null | grep -q -- "$1" && echo "\${folder#/proc/}"
  done`;
  const { stdout } = await host.run('bash', '-c', script, 'bash', pattern);
  return stdout
    .trim()
    .split('\n')
    .filter(Boolean)
    .map(Number)
    .sort((a, b) => a - b);
}

// In brackets, so that the search does not find itself.
const agents = (host: PrivateHost) => processes(host, 'c[a]lico component node');
const supervisors = (host: PrivateHost) => processes(host, 'c[a]lico lab up');

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missingFor, type Running, until } from '../runtimes/machine.ts';
import { addressOf, CniNode, type Container } from './cni-node.ts';
import { goOn, pauseAt, paused } from './pause.ts';

const startMs = 60_000;
const testMs = 60_000;
const missing = missingFor('busybox', 'curl', 'nft');
/** Between the writes of IPAM too: an ADD writes the handle first, then the block; a DEL the other way round. */
const addPoints = [
  'ADD veth',
  'ADD reads',
  'ADD before IPAMHandle',
  'ADD before IPAMBlock',
  'ADD ipam',
  'ADD pod',
  'ADD publish',
  'ADD settle',
];
const delPoints = ['DEL veth', 'DEL endpoint', 'DEL before IPAMBlock', 'DEL before IPAMHandle', 'DEL ipam'];
const bun = (file: string) => [process.execPath, join(import.meta.dir, file)];
const name = 'k8s-pod-network';

/** Kill -9 at every point of a call: the next try succeeds, and in the end nothing stays. */
describe.skipIf(missing !== undefined)(`crashes${missing ? ` (${missing})` : ''}`, () => {
  let node: CniNode;
  let before: Awaited<ReturnType<typeof left>>;
  let containers = 0;

  beforeAll(async () => {
    node = await CniNode.start();
    await node.startApi();
    await node.apply(
      'api',
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec: {} },
      {
        apiVersion: 'projectcalico.org/v3',
        kind: 'IPPool',
        metadata: { name: 'pods' },
        spec: { cidr: '10.77.0.0/16' },
      },
    );
    await startAgent();
    before = await left();
  }, startMs);
  afterAll(() => node?.stop());

  async function startAgent(): Promise<void> {
    await node.startAgent({ DATASTORE_TYPE: 'kubernetes', KUBECONFIG: node.kubeconfig }, bun('pausing-agent.ts'));
    await node.untilAgentReady();
  }

  const managed = () => ({
    type: 'calico',
    datastore_type: 'kubernetes',
    policy: { type: 'k8s' },
    ipam: { type: 'calico-ipam' },
    kubernetes: { kubeconfig: node.kubeconfig },
  });
  const alone = () => ({ ...managed(), agent: 'none' });
  const list = (plugin: ReturnType<typeof managed>) => ({ cniVersion: '1.0.0', name, plugins: [plugin] });

  /** All that a pod could leave: interfaces, routes, rules, addresses, handles, and what pods note. */
  async function left() {
    const items = async (resource: string) =>
      JSON.parse(await node.kubectl(['get', resource, '-A', '-o', 'json'])).items;
    const [traces, rules, blocks, handles] = await Promise.all([
      node.traces(),
      node.machine.run(['nft', 'list', 'map', 'inet', 'calico', 'to-workload-4']),
      items('ipamblocks.projectcalico.org'),
      items('ipamhandles.projectcalico.org'),
    ]);
    return {
      ...traces,
      rules: rules.stdout.match(/"cali[^"]*"/g) ?? [],
      addresses: blocks.flatMap((block: { spec: { allocations: (number | null)[] } }) =>
        block.spec.allocations.filter(each => each !== null),
      ).length,
      handles: handles.length,
    };
  }

  async function untilNothingIsLeft(): Promise<void> {
    // Interfaces go a quarter of a second after they are out of use.
    const wanted = JSON.stringify(before);
    let last = '';
    const end = performance.now() + 10_000;
    while (performance.now() < end) {
      last = JSON.stringify(await left());
      if (last === wanted) break;
    }
    expect(JSON.parse(last)).toEqual(before);
  }

  const newContainer = () => node.newPod(`pod-${++containers}`);

  /** Starts a call that stands still at a point, kills, and lets go on what still lives. */
  async function crash(
    point: string,
    container: Container,
    config: object,
    kill: (plugin: Running) => Promise<void>,
    whoStands: 'dies' | 'lives',
  ): Promise<void> {
    const [command = ''] = point.replace('plugin ', '').split(' ');
    const call = command === 'DEL' ? 'DEL' : 'ADD';
    writeFileSync(node.machine.path(pauseAt), point);
    const plugin = node.startPlugin(
      call,
      container,
      JSON.stringify({ cniVersion: '1.0.0', name, ...config }),
      bun('pausing-plugin.ts'),
    );
    let failed = false;
    void plugin.exited.then(code => {
      failed = code !== 0;
    });
    // An agent may come there after its answer.
    await until(`the call stands at ${point}`, () => {
      if (failed) throw new Error(`the call did not come to ${point}: ${plugin.words()}`);
      return existsSync(node.machine.path(paused));
    });
    await kill(plugin);
    if (whoStands === 'lives') {
      writeFileSync(node.machine.path(goOn), '');
      await until('it has gone on', () => !existsSync(node.machine.path(paused)));
    }
    for (const file of [pauseAt, paused, goOn]) rmSync(node.machine.path(file), { force: true });
    await plugin.exited;
  }

  async function tryAgain(container: Container, plugin: ReturnType<typeof managed>): Promise<void> {
    const result = await node.call('ADD', list(plugin), container);
    expect([point(container), await node.reaches(addressOf(result))]).toEqual([point(container), true]);
    await node.call('CHECK', list(plugin), container, result);
    await giveUp(container, plugin);
  }
  const point = ({ id }: Container) => id;

  async function giveUp(container: Container, plugin: ReturnType<typeof managed>): Promise<void> {
    await node.call('DEL', list(plugin), container);
    await untilNothingIsLeft();
    await node.deleteNamespace(container);
    await node.kubectl(['delete', 'pod', container.pod ?? '', '--force', '--grace-period=0']);
  }

  const victims: {
    name: string;
    points: readonly string[];
    kill: (plugin: Running) => Promise<void>;
    mend: () => Promise<void>;
  }[] = [
    { name: 'the agent', points: [...addPoints, ...delPoints], kill: () => node.kill('agent'), mend: startAgent },
    {
      name: 'the plugin',
      // Between writes it is as for the agent, which does not hear of it.
      points: [
        'plugin asked',
        'plugin answered',
        ...[...addPoints, ...delPoints].filter(each => !each.includes('before')),
      ],
      kill: plugin => plugin.kill('SIGKILL'),
      mend: async () => {},
    },
    {
      name: 'the API server',
      points: [...addPoints, ...delPoints],
      kill: () => node.kill('API server'),
      mend: () => node.startApi(),
    },
  ];
  const short = { agent_timeout_seconds: 0 };

  for (const { name: victim, points, kill, mend } of victims) {
    for (const where of points) {
      test(
        `${victim} is killed at ${where}`,
        async () => {
          const container = await newContainer();
          if (where.startsWith('DEL')) await node.call('ADD', list(managed()), container);
          const stands = victim === 'the agent' || where.startsWith('plugin') ? 'dies' : 'lives';
          await crash(where, container, { ...managed(), ...short }, kill, stands);
          await mend();
          if (where.startsWith('DEL')) await giveUp(container, managed());
          else await tryAgain(container, managed());
        },
        testMs,
      );
    }
  }

  for (const where of ['ADD reads', 'ADD before IPAMBlock', 'ADD ipam', 'ADD settle']) {
    test(
      `the agent is killed at ${where}, and the runtime gives up`,
      async () => {
        const container = await newContainer();
        await crash(where, container, { ...managed(), ...short }, () => node.kill('agent'), 'dies');
        await startAgent();
        await giveUp(container, managed());
      },
      testMs,
    );
  }

  for (const where of [...addPoints, ...delPoints]) {
    test(
      `the plugin that works alone is killed at ${where}`,
      async () => {
        const container = await newContainer();
        if (where.startsWith('DEL')) await node.call('ADD', list(alone()), container);
        await crash(where, container, alone(), plugin => plugin.kill('SIGKILL'), 'dies');
        if (where.startsWith('DEL')) await giveUp(container, alone());
        else await tryAgain(container, alone());
      },
      testMs,
    );
  }
});

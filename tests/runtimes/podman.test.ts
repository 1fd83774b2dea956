import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { CniNode } from '../cni/cni-node.ts';
import { configFolder } from './kubernetes-node.ts';
import { missingFor, until } from './machine.ts';
import { Podman } from './podman.ts';

const missing = missingFor('podman', 'runc', 'conmon', 'busybox', 'curl', 'etcd', 'etcdctl', 'iptables');
const START_MS = 120_000;
const TEST_MS = 120_000;
const network = 'calico-net';
const serve = ['/bin/httpd', '-f', '-p', '8080', '-h', '/'];
const sleep = ['/bin/sleep', '1000'];
const etcd = { DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: 'http://127.0.0.1:2379' };

/** Containers outside of Kubernetes, as Calico's etcd users run them: podman, an agent, policy by calicoctl. */
describe.skipIf(missing !== undefined)(`podman${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let node: CniNode;
  let podman: Podman;
  let before: Awaited<ReturnType<CniNode['traces']>>;

  beforeAll(async () => {
    node = await CniNode.start();
    await node.startEtcd();
    await node.apply('etcd', {
      apiVersion: 'projectcalico.org/v3',
      kind: 'IPPool',
      metadata: { name: 'containers' },
      spec: { cidr: '10.77.0.0/16', natOutgoing: true },
    });
    await startAgent();
    mkdirSync(node.machine.path(configFolder), { recursive: true });
    const plugins = [
      {
        type: 'calico',
        datastore_type: 'etcdv3',
        etcd_endpoints: etcd.ETCD_ENDPOINTS,
        ipam: { type: 'calico-ipam' },
        agent_timeout_seconds: 2,
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ];
    const list = { cniVersion: '0.4.0', name: network, plugins };
    writeFileSync(node.machine.path(`${configFolder}/10-calico.conflist`), JSON.stringify(list));
    podman = new Podman(node.machine);
    await podman.start();
    before = await node.traces();
  }, START_MS);

  afterAll(async () => {
    podman?.stop();
    await node?.stop();
  });

  afterEach(async () => {
    await podman.must('rm', '--all', '--force', '--time', '0');
    await until('nothing is left', async () => Bun.deepEquals(await node.traces(), before));
    expect(await node.ctl('get', 'workloadendpoints', '--all-namespaces', '-o', 'json')).toMatchObject({ items: [] });
  }, TEST_MS);

  async function startAgent(): Promise<void> {
    await node.startAgent(etcd);
    await node.untilAgentReady();
  }

  async function start(name: string, command: readonly string[], ...options: string[]): Promise<string> {
    expect(await podman.run(name, network, options, command)).toMatchObject({ code: 0 });
    return await podman.address(name, network);
  }

  const answers = async (from: string, address: string) => {
    const fetch = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 ${address} 8080 | grep -q hello`;
    return (await podman.try('exec', from, '/bin/sh', '-c', fetch)).code === 0;
  };

  test(
    'containers of one network reach each other until a policy forbids it',
    async () => {
      const address = await start('server', serve);
      await start('client', sleep);
      expect(address).toStartWith('10.77.');
      await until('the neighbour answers', () => answers('client', address));
      const closed = {
        apiVersion: 'projectcalico.org/v3',
        kind: 'GlobalNetworkPolicy',
        metadata: { name: 'closed' },
        spec: { selector: 'all()', types: ['Ingress'], ingress: [{ action: 'Deny' }] },
      };
      await node.apply('etcd', closed);
      await until('the policy holds', async () => !(await answers('client', address)));
      await node.ctl('delete', 'globalnetworkpolicy', 'closed');
      await until('the neighbour answers again', () => answers('client', address));
    },
    TEST_MS,
  );

  test(
    'a port of the host leads to the container',
    async () => {
      await start('published', serve, '--publish', '18080:8080');
      const fetch = ['curl', '--silent', '--max-time', '3', 'http://172.31.7.1:18080/'];
      await until('the port answers', async () => (await node.machine.run(fetch)).stdout === 'hello');
    },
    TEST_MS,
  );

  test(
    'without an agent a container does not start, and podman says why; the next try succeeds',
    async () => {
      await node.kill('agent');
      const refused = await podman.run('early', network, [], sleep);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain('cni.sock');
      await startAgent();
      await podman.must('rm', '--force', 'early');
      expect(await start('early', sleep)).toStartWith('10.77.');
    },
    TEST_MS,
  );

  test(
    'a container that is restarted has a network again',
    async () => {
      await start('server', serve);
      await start('client', sleep);
      await podman.must('restart', '--time', '0', 'server');
      const address = await podman.address('server', network);
      await until('the neighbour answers', () => answers('client', address));
    },
    TEST_MS,
  );
});

import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CalicoNode, IPPool } from '@calico/api';
import { etcdClient } from '@calico/datastore/etcd';
import { fillThreadPool } from '@calico/kernel/linux';
import { describeEtcd } from '../etcd/describe-etcd.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { agentEnvironment, NodeHost, until } from './node-host.ts';

setDefaultTimeout(60_000);

describeEtcd('the agent of a node starts', () => {
  let server: EtcdServer;
  let host: NodeHost;
  let agent: Bun.Subprocess<'ignore', 'pipe', 'pipe'> | undefined;
  beforeAll(async () => {
    await fillThreadPool();
    server = await EtcdServer.start();
  });
  afterAll(() => server?.stop());
  beforeEach(() => {
    host = NodeHost.beside(server);
  });
  afterEach(async () => {
    agent?.kill('SIGKILL');
    await agent?.exited;
    agent = undefined;
    host.close();
  });

  const env = () => ({
    ...agentEnvironment(server),
    CALICO_IPV4POOL_VXLAN: 'Always',
    FELIX_HEALTHENABLED: 'true',
  });
  const start = (more: Record<string, string> = {}) => {
    agent = host.start(['component', 'node'], { ...env(), ...more });
    return agent;
  };
  const readiness = () => host.get(9099, '/readiness').catch(() => undefined);

  test('before its datastore: it says what it waits for, and is ready soon after, with address, tunnel, MTU and name', async () => {
    await server.terminate();
    start();
    await until('it says that it waits', async () =>
      /Node is not ready: .*CalicoNode|Node is not ready: Cannot/.test((await readiness())?.body ?? ''),
    );
    expect(existsSync(join(host.folder, 'lib/nodename'))).toBe(false);
    await server.run();
    await until('it is ready', async () => (await readiness())?.status === 200);

    const client = etcdClient({ endpoints: [server.url] });
    const { spec } = await client.get(CalicoNode, { name: 'node-1' });
    expect(spec.bgp?.ipv4Address).toBe('192.0.2.11/24');
    expect(spec.ipv4VXLANTunnelAddr).toMatch(/^192\.168\./);
    expect((await client.list(IPPool)).items).toHaveLength(2);
    client.close();
    expect(readFileSync(join(host.folder, 'lib/nodename'), 'utf8')).toBe('node-1');
    expect(readFileSync(join(host.folder, 'lib/mtu'), 'utf8')).toBe('1350');
    agent?.kill('SIGTERM');
    expect(await agent?.exited).toBe(0);
  });

  test('never as another node’s double: it ends with 1 and names the other', async () => {
    const child = start({ NODENAME: 'node-2' });
    const text = await new Response(child.stderr).text();
    expect(await child.exited).toBe(1);
    expect(text).toContain('192.0.2.11 is the address of node "node-1" already');
  });

  test('follows its interfaces, and says when another node has its address', async () => {
    start({ AUTODETECT_POLL_INTERVAL: '100ms', IP_AUTODETECTION_METHOD: 'interface=eth.*' });
    await until('it is ready', async () => (await readiness())?.status === 200);
    const client = etcdClient({ endpoints: [server.url] });
    try {
      host.addInterface('eth1', 1500, '192.0.2.12/24');
      const address = async () => (await client.get(CalicoNode, { name: 'node-1' })).spec.bgp?.ipv4Address;
      await until('the node has the new address', async () => (await address()) === '192.0.2.12/24');
      await client.create(CalicoNode, {
        apiVersion: CalicoNode.apiVersion,
        kind: 'Node',
        metadata: { name: 'other' },
        spec: { bgp: { ipv4Address: '192.0.2.13/24' } },
      });
      host.addInterface('eth2', 1500, '192.0.2.13/24');
      await until(
        'it says that the address is another’s',
        async () => (await readiness())?.body.includes('192.0.2.13 is the address of node "other" already') === true,
      );
      expect(await address()).toBeUndefined();
      await client.delete(CalicoNode, { name: 'other' });
      await until('it is ready again', async () => (await readiness())?.status === 200);
      expect(await address()).toBe('192.0.2.13/24');
    } finally {
      client.close();
    }
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { NetworkPolicy, WorkloadEndpoint } from '@calico/api';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { fillThreadPool } from '@calico/kernel/linux';
import { describeEtcd } from '../etcd/describe-etcd.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { agentEnvironment, NodeHost, until } from './node-host.ts';

setDefaultTimeout(60_000);

describeEtcd('an agent with a pod tells', () => {
  let server: EtcdServer;
  let host: NodeHost;
  let client: EtcdClient;
  let agent: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  beforeAll(async () => {
    await fillThreadPool();
    server = await EtcdServer.start();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    host = NodeHost.beside(server);
    host.addInterface('cali1', 1400);
    client = etcdClient({ endpoints: [server.url] });
    agent = host.start(['component', 'node'], env());
    await until('it is ready', async () => (await host.get(9099, '/readiness').catch(() => undefined))?.status === 200);
  });
  afterEach(async () => {
    agent.kill('SIGKILL');
    await agent.exited;
    client.close();
    host.close();
  });

  const env = () => ({
    ...agentEnvironment(server),
    FELIX_ENDPOINTREPORTINGENABLED: 'true',
    FELIX_ENDPOINTREPORTINGDELAYSECS: '0.1',
    FELIX_REPORTINGINTERVALSECS: '1',
    FELIX_REPORTINGTTLSECS: '2',
  });

  const pod: WorkloadEndpoint = {
    apiVersion: WorkloadEndpoint.apiVersion,
    kind: 'WorkloadEndpoint',
    metadata: { name: 'node--1-k8s-web-eth0', namespace: 'shop', labels: { app: 'web' } },
    spec: {
      ...{ orchestrator: 'k8s', node: 'node-1', pod: 'web', endpoint: 'eth0', containerID: 'abc' },
      ...{ interfaceName: 'cali1', mac: 'ee:ee:ee:ee:ee:ee', ipNetworks: ['10.65.0.2/32'], profiles: ['kns.shop'] },
    },
  };

  const json = async (...args: string[]) => {
    const { code, text } = await host.run(args, {});
    expect(`${code} ${text}`).toStartWith('0 ');
    return JSON.parse(text);
  };

  test('files, etcd, tables and metrics about it, and which of its rules nothing uses', async () => {
    await client.create(NetworkPolicy, {
      apiVersion: NetworkPolicy.apiVersion,
      kind: 'NetworkPolicy',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { selector: "app == 'web'", types: ['Ingress'], ingress: [{ action: 'Allow' }, { action: 'Deny' }] },
    });
    await client.create(WorkloadEndpoint, pod);

    const folder = join(host.folder, 'run/endpoint-status');
    const file = join(folder, 'k8s shop%2Fweb eth0');
    await until('its file is there', () => readdirSync(folder).length > 0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      ...{ ifaceName: 'cali1', mac: 'ee:ee:ee:ee:ee:ee', ipv4Nets: ['10.65.0.2/32'] },
    });

    const keys = () => client.values.list('/calico/felix/v2/no-region/host/node-1/');
    const prefix = '/calico/felix/v2/no-region/host/node-1';
    const key = `${prefix}/workload/k8s/shop%2fweb/endpoint/eth0`;
    await until('etcd says that it is up', async () => (await keys()).get(key) === '{"status":"up"}');
    await until('etcd says that Felix lives', async () => (await keys()).has(`${prefix}/last_reported_status`));
    expect(JSON.parse((await keys()).get(`${prefix}/status`) ?? '')).toMatchObject({ uptime: expect.any(Number) });

    expect(statSync(join(host.folder, 'run/debug.sock')).mode & 0o777).toBe(0o600);
    const endpoints = await json('debug', 'tables', 'endpoints', '-o', 'json');
    expect(endpoints).toMatchObject({
      node: 'node-1',
      rows: [{ endpoint: 'shop/node--1-k8s-web-eth0', interface: 'cali1', ingress: ['np/shop/web'] }],
    });
    expect(endpoints.rows[0].problem).toBeUndefined();
    const unused = await json('ctl', 'policy', 'unused', '-o', 'json');
    expect(unused).toMatchObject({ nodes: [{ node: 'node-1', resolutionSeconds: 10 }], rules: 2 });
    expect(unused.unused.map((rule: { index: number; action: string }) => [rule.index, rule.action])).toEqual([
      [0, 'allow'],
      [1, 'deny'],
    ]);

    const { body } = await host.get(9091, '/metrics');
    for (const line of [
      'felix_host{host="node-1"} 1',
      'felix_active_local_endpoints 1',
      'felix_resync_state 3',
      'felix_rule_packets{rule="np/shop/web/ingress/0",tier="default",action="allow"} 0',
    ]) {
      expect(body.split('\n')).toContain(line);
    }

    await client.delete(WorkloadEndpoint, { name: pod.metadata.name, namespace: 'shop' });
    await until('its file is gone', () => readdirSync(folder).length === 0);
    await until('etcd says nothing of it', async () => !(await keys()).has(key));
    agent.kill('SIGTERM');
    expect(await agent.exited).toBe(0);
    expect(readdirSync(join(host.folder, 'run')).filter(name => name.endsWith('.sock'))).toEqual([]);
    await until('etcd says no more that Felix lives', async () => !(await keys()).has(`${prefix}/status`));
    expect((await keys()).has(`${prefix}/last_reported_status`)).toBe(true);
    await client.delete(NetworkPolicy, { name: 'web', namespace: 'shop' });
  });
});

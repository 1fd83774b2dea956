import { afterAll, beforeAll, expect, test } from 'bun:test';
import {
  CalicoNode,
  GlobalNetworkPolicy,
  HostEndpoint,
  Profile,
  printJson,
  StagedGlobalNetworkPolicy,
  WorkloadEndpoint,
} from '@calico/api';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { fillThreadPool } from '@calico/kernel/linux';
import { AgentHost } from './agent-host.ts';
import { describeEtcd } from './describe-etcd.ts';
import { EtcdServer } from './etcd-server.ts';

const RESOURCES = '/calico/resources/v3/projectcalico.org';
const NODE = 'node-1';
const WEB = { name: 'web', ip: '10.65.0.2', interfaceName: 'caliweb' };
const CLIENT = { name: 'client', ip: '10.65.0.3', interfaceName: 'caliclient' };

/** A workload of an orchestrator without Kubernetes, as a CNI plugin writes it. */
function endpoint({ name, ip, interfaceName }: typeof WEB): WorkloadEndpoint {
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'WorkloadEndpoint',
    metadata: { name: `node--1-cni-${name}-eth0`, namespace: 'shop', labels: { app: name } },
    spec: {
      orchestrator: 'cni',
      node: NODE,
      containerID: name,
      endpoint: 'eth0',
      interfaceName,
      ipNetworks: [`${ip}/32`],
      profiles: ['shop'],
    },
  };
}

const DENY_TO_WEB = { selector: "app == 'web'", types: ['Ingress'], ingress: [{ action: 'Deny' }] } as const;

describeEtcd('the node agent on etcd', () => {
  let server: EtcdServer;
  let client: EtcdClient;
  let host: AgentHost;
  let arrives: (port: number) => Promise<boolean>;
  beforeAll(async () => {
    await fillThreadPool();
    server = await EtcdServer.start();
    client = etcdClient({ endpoints: [server.url] });
    host = new AgentHost(server.port);
    const namespaces = [CLIENT, WEB].map(({ name, ip, interfaceName }) => host.addWorkload(name, ip, interfaceName));
    const [from, to] = namespaces;
    if (from === undefined || to === undefined) throw new Error('there are no workloads');
    arrives = host.packets({ ...CLIENT, namespace: from }, { ...WEB, namespace: to });
    await client.create(Profile, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'Profile',
      metadata: { name: 'shop' },
      spec: { ingress: [{ action: 'Allow' }], egress: [{ action: 'Allow' }] },
    });
    host.start(NODE, { IP: '192.0.2.1/24' });
    await until('the agent is ready', () => host.ready());
  });
  afterAll(async () => {
    client?.close();
    await host?.close();
    await server?.stop();
  });

  /** Asks again until it is so. */
  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error(`Waited 20 s until ${what}; the agent says:\n${host.log}`);
      await Bun.sleep(20);
    }
  }
  const put = (key: string, value: unknown) => server.ctl(['put', key], printJson(value));

  test('writes its own node there, with its address', async () => {
    expect((await client.get(CalicoNode, { name: NODE })).spec.bgp?.ipv4Address).toBe('192.0.2.1/24');
    expect(await server.ctl(['get', `${RESOURCES}/nodes/${NODE}`, '--print-value-only'])).toContain('"kind":"Node"');
  });

  test('connects workloads that stand in etcd, and nobody else', async () => {
    expect(await arrives(80)).toBe(false);
    await client.create(WorkloadEndpoint, endpoint(WEB));
    await client.create(WorkloadEndpoint, endpoint(CLIENT));
    await until('packets arrive', () => arrives(80));
  });

  test('a policy as Calico writes it there is enforced; a staged one decides nothing', async () => {
    await client.create(StagedGlobalNetworkPolicy, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'StagedGlobalNetworkPolicy',
      metadata: { name: 'closed' },
      spec: { ...DENY_TO_WEB, stagedAction: 'Set', order: 1, types: ['Ingress'], ingress: [{ action: 'Deny' }] },
    });
    await put(`${RESOURCES}/globalnetworkpolicies/default.web`, {
      kind: 'GlobalNetworkPolicy',
      apiVersion: 'projectcalico.org/v3',
      metadata: { name: 'default.web', uid: '6a0d4f2c-65ef-4bcd-b4ff-0ff2ac5fd7a3', creationTimestamp: null },
      spec: {
        tier: 'default',
        order: 2,
        selector: "app == 'web'",
        types: ['Ingress'],
        ingress: [
          {
            action: 'Allow',
            protocol: 'TCP',
            source: { selector: "app == 'client'" },
            destination: { ports: [80] },
          },
        ],
        egress: [],
      },
    });
    await until('port 81 is closed', async () => !(await arrives(81)));
    expect(await arrives(80)).toBe(true);
  });

  test('keeps the rules while etcd is away, and follows it when it is back', async () => {
    await server.kill();
    expect([await arrives(80), await arrives(81)]).toEqual([true, false]);
    await until('the agent says that it is not up to date', async () => !(await host.ready()));
    await server.run();
    await until('the agent is ready again', () => host.ready());
    await client.delete(GlobalNetworkPolicy, { name: 'web' });
    await until('port 81 is open', () => arrives(81));
  });

  test('addresses of host endpoints are in selectors', async () => {
    const { ip } = CLIENT;
    await client.delete(WorkloadEndpoint, { namespace: 'shop', name: endpoint(CLIENT).metadata.name });
    await until('packets of an unknown workload do not arrive', async () => !(await arrives(80)));
    await client.create(WorkloadEndpoint, {
      ...endpoint(CLIENT),
      metadata: { ...endpoint(CLIENT).metadata, labels: {} },
    });
    await client.create(GlobalNetworkPolicy, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'GlobalNetworkPolicy',
      metadata: { name: 'from-hosts' },
      spec: {
        selector: "app == 'web'",
        types: ['Ingress'],
        ingress: [{ action: 'Allow', source: { selector: "role == 'edge'" } }],
      },
    });
    await until('port 80 is closed', async () => !(await arrives(80)));
    await client.create(HostEndpoint, {
      apiVersion: 'projectcalico.org/v3',
      kind: 'HostEndpoint',
      metadata: { name: 'edge', labels: { role: 'edge' } },
      spec: { node: 'node-2', interfaceName: 'eth0', expectedIPs: [ip] },
    });
    await until('the host endpoint is let in', () => arrives(80));
  });
});

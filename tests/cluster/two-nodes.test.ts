import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { workloadInterfaceName } from '@calico/api';
import { fillThreadPool } from '@calico/kernel/linux';
import { RawReceiver, RawSender } from '@calico/lab';
import { TestCluster } from './cluster.ts';

const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const pod = (name: string, node: string, ip: string, labels: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels },
  spec: { nodeName: node, containers: [{ name: 'c', ports: [{ containerPort: 80 }] }] },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
});
const policy = (from: string) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    podSelector: { matchLabels: { app: 'web' } },
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ podSelector: { matchLabels: { app: from } } }], ports: [{ protocol: 'TCP', port: 80 }] }],
  },
});

describe.each(['vxlan', 'cross-subnet'] as const)('two nodes, one pod each, one policy, %s', encapsulation => {
  let cluster: TestCluster;
  let arrived: (port: number) => Promise<boolean>;
  const closers: (() => void)[] = [];

  beforeAll(async () => {
    await fillThreadPool();
    cluster = new TestCluster({ nodes: 2, encapsulation });
    const [client, web] = [cluster.podAddress('node1', 0), cluster.podAddress('node2', 0)];
    cluster.addPod('default/client', 'node1', client, workloadInterfaceName('default', 'client'));
    cluster.addPod('default/web', 'node2', web, workloadInterfaceName('default', 'web'));
    cluster.apply([
      namespace('default'),
      pod('client', 'node1', client, { app: 'client' }),
      pod('web', 'node2', web, { app: 'web' }),
    ]);
    cluster.write();
    const receiver = new RawReceiver(cluster.pod('default/web').namespace, [6]);
    const sender = new RawSender(cluster.pod('default/client').namespace);
    closers.push(
      () => receiver.close(),
      () => sender.close(),
    );
    let tag = 1;
    arrived = async port => {
      const own = tag++;
      sender.send({
        source: client,
        destination: web,
        protocol: 6,
        sourcePort: 20000 + own,
        destinationPort: port,
        tag: own,
      });
      const deadline = performance.now() + 300;
      while (performance.now() < deadline) {
        if (receiver.take().includes(own)) return true;
        await new Promise(resolve => setTimeout(resolve, 1));
      }
      return false;
    };
  });

  afterAll(() => {
    for (const close of closers) close();
    cluster.close();
  });

  test('a packet passes without policy', async () => {
    expect(await arrived(80)).toBe(true);
    expect(await arrived(81)).toBe(true);
  });

  test('a packet that the policy does not allow is blocked, and one that it allows passes and is counted', async () => {
    cluster.apply([policy('client')]);
    cluster.write();
    expect(await arrived(80)).toBe(true);
    expect(await arrived(81)).toBe(false);
    const counters = cluster.nodes[1]?.kernel.nftables.counters({ family: 'inet', name: 'calico' });
    expect(counters?.find(c => c.name === 'knp/default/web/ingress/0')?.packets).toBe(1);
    expect(counters?.find(c => c.name === 'tier/default/ingress/deny')?.packets).toBe(1);
  });

  test('another peer in the policy blocks the client', async () => {
    cluster.apply([policy('other')]);
    cluster.write();
    expect(await arrived(80)).toBe(false);
  });

  test('without the policy everything passes again', async () => {
    cluster.remove([policy('other')]);
    cluster.write();
    expect(await arrived(81)).toBe(true);
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { workloadInterfaceName } from '@calico/api';
import { CUT_ANNOTATION } from '@calico/calc';
import type { Namespace } from '@calico/kernel';
import { fillThreadPool, inNamespace } from '@calico/kernel/linux';
import { finished } from '@calico/reconcile';
import { TestCluster } from './cluster.ts';

const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const pod = (name: string, node: string, ips: readonly string[]) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: { app: name, role: name === 'client' ? 'client' : 'web' } },
  spec: { nodeName: node, containers: [{ name: 'c' }] },
  status: { phase: 'Running', podIP: ips[0], podIPs: ips.map(ip => ({ ip })) },
});
const policy = (from: string, annotations: Record<string, string>) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'web', namespace: 'default', annotations },
  spec: {
    podSelector: { matchLabels: { role: 'web' } },
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ podSelector: { matchLabels: { app: from } } }] }],
  },
});

/** How long a packet may take at most, in milliseconds. */
const patience = 5_000;

/** A connection whose server sends back what it gets, told from both ends. */
interface Connection {
  /** Whether what either end sends reaches the other, and what that end sees if not. */
  say(end: 'client' | 'server'): Promise<'arrives' | 'reset' | 'silence'>;
  close(): void;
}

async function until(condition: () => boolean, limit: number): Promise<boolean> {
  for (const deadline = performance.now() + limit; !condition(); await Bun.sleep(2)) {
    if (performance.now() > deadline) return false;
  }
  return true;
}

async function openTcp(from: Namespace, to: Namespace, address: string, port: number): Promise<Connection> {
  const ends = { client: { bytes: 0, closed: false }, server: { bytes: 0, closed: false } };
  const handler = (end: 'client' | 'server') => ({
    data(_: unknown, bytes: Uint8Array) {
      ends[end].bytes += bytes.length;
    },
    close() {
      ends[end].closed = true;
    },
    error() {},
  });
  const sockets: { server?: Bun.Socket } = {};
  const open = (socket: Bun.Socket) => {
    sockets.server = socket;
  };
  const { listener } = inNamespace(to, () => ({
    listener: Bun.listen({ hostname: address, port, socket: { ...handler('server'), open } }),
  }));
  const { connecting } = inNamespace(from, () => ({
    connecting: Bun.connect({ hostname: address, port, socket: handler('client') }),
  }));
  const client = await connecting;
  if (!(await until(() => sockets.server !== undefined, patience))) throw new Error('the server saw no connection');
  return {
    async say(end) {
      const [own, other] = end === 'client' ? [ends.client, ends.server] : [ends.server, ends.client];
      const before = other.bytes;
      (end === 'client' ? client : sockets.server)?.write('x');
      const seen = () => own.closed || other.bytes > before;
      if (!(await until(seen, patience))) return 'silence';
      return other.bytes > before ? 'arrives' : 'reset';
    },
    close() {
      client.terminate();
      sockets.server?.terminate();
      listener.stop(true);
    },
  };
}

let cluster: TestCluster;
let port = 8000;

beforeAll(async () => {
  await fillThreadPool();
  cluster = new TestCluster({ nodes: 2, encapsulation: 'vxlan' });
  const place = (name: string, node: string, i: number) => {
    const ips = [cluster.podAddress(node, i), cluster.podAddress6(node, i)] as const;
    cluster.addPod(`default/${name}`, node, ips[0], workloadInterfaceName('default', name), ips[1]);
    return pod(name, node, ips);
  };
  cluster.apply([
    namespace('default'),
    place('client', 'node1', 0),
    place('near', 'node1', 1),
    place('far', 'node2', 1),
  ]);
  cluster.write();
  if (!(await until(() => cluster.isSettled(), 20_000))) throw new Error('addresses are not in use');
});

afterAll(() => cluster.close());

function change(from: string, annotations: Record<string, string> = {}): void {
  cluster.apply([policy(from, annotations)]);
  cluster.write();
  for (const { dataplane } of cluster.nodes) if (dataplane.hasConnectionsToJudge) finished(dataplane.cutConnections());
}
const cutting = { [CUT_ANNOTATION]: 'true' };

describe.each([
  { name: 'IPv4, on one node', server: 'near', address: () => cluster.podAddress('node1', 1) },
  { name: 'IPv6, on one node', server: 'near', address: () => cluster.podAddress6('node1', 1) },
  { name: 'IPv4, over the overlay', server: 'far', address: () => cluster.podAddress('node2', 1) },
])('a TCP connection between two pods, $name', ({ server, address }) => {
  let connection: Connection;
  const connect = () => {
    const of = (name: string) => cluster.pod(`default/${name}`).namespace;
    return openTcp(of('client'), of(server), address(), port++);
  };

  beforeEach(async () => {
    change('client');
    connection = await connect();
    expect(await connection.say('client')).toBe('arrives');
    expect(await connection.say('server')).toBe('arrives');
  });

  afterEach(() => connection.close());

  test('lives when its policy no longer allows it', async () => {
    change('other');
    expect(await connection.say('client')).toBe('arrives');
    expect(await connection.say('server')).toBe('arrives');
  });

  test('dies where the policy cuts: the client is told, and the server when it speaks', async () => {
    change('other', cutting);
    expect(await connection.say('client')).toBe('reset');
    expect(await connection.say('server')).toBe('reset');
  });

  test('dies for a server that speaks first too, which policy lets begin: it is not picked up from its middle', async () => {
    change('other', cutting);
    expect(await connection.say('server')).toBe('reset');
    expect(await connection.say('client')).toBe('reset');
  });

  test('lives when the policy that cuts still allows it, and a new one opens when it is allowed again', async () => {
    change('client', cutting);
    expect(await connection.say('client')).toBe('arrives');
    change('other', cutting);
    expect(await connection.say('client')).toBe('reset');
    connection.close();
    change('client', cutting);
    connection = await connect();
    expect(await connection.say('client')).toBe('arrives');
  });
});

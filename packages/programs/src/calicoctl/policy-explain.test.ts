import { afterEach, beforeEach, expect, test } from 'bun:test';
import { KubernetesNetworkPolicy, Namespace, NetworkPolicy, Pod, Tier } from '@calico/api';
import { Desk, expectGolden } from './testing.ts';

let desk: Desk;

function pod(name: string, ip: string, node: string, app: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name, labels: { app }, annotations: { 'cni.projectcalico.org/podIP': `${ip}/32` } },
    spec: { nodeName: node, containers: [{ name: 'main', image: 'example' }] },
  };
}

beforeEach(async () => {
  desk = new Desk();
  const { client } = desk;
  const metadata = (name: string) => ({ namespace: 'shop', name });
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' }, spec: {} });
  await client.create(Pod, pod('web-0', '10.0.0.1', 'node-1', 'web'));
  await client.create(Pod, pod('db-0', '10.0.1.1', 'node-2', 'db'));
  await client.create(Tier, {
    apiVersion: Tier.apiVersion,
    kind: 'Tier',
    metadata: { name: 'security' },
    spec: { order: 10, defaultAction: 'Pass' },
  });
  await client.create(NetworkPolicy, {
    apiVersion: NetworkPolicy.apiVersion,
    kind: 'NetworkPolicy',
    metadata: metadata('no-scanners'),
    spec: { tier: 'security', types: ['Ingress'], ingress: [{ action: 'Deny', source: { nets: ['192.0.2.0/24'] } }] },
  });
  await client.create(KubernetesNetworkPolicy, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadata('db'),
    spec: {
      podSelector: { matchLabels: { app: 'db' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 5432 }] }],
    },
  });
});
afterEach(() => desk.close());

test('policy explain tells who decides, in text', async () => {
  let text = '';
  for (const line of [
    'policy explain --from shop/web-0 --to shop/db-0 --port 5432/tcp',
    'policy explain --from web-0 --to db-0 --port 80 -n shop',
    'policy explain --from 192.0.2.7 --to shop/db-0 --port 5432',
    'policy explain --from 192.0.2.7 --to 198.51.100.1 --port icmp',
  ]) {
    const { code, out, err } = await desk.run(line);
    expect({ line, code, err }).toEqual({ line, code: 0, err: '' });
    text += `$ calicoctl ${line}\n${out}`;
  }
  expectGolden('policy-explain.txt', text);
});

test('policy explain tells the same as JSON', async () => {
  const { out } = await desk.run('policy explain --from shop/web-0 --to shop/db-0 --port 5432/tcp -o json');
  const { verdict, directions } = JSON.parse(out);
  expect(verdict).toBe('allow');
  expect(directions[1].steps.at(-1)).toMatchObject({ tier: 'default', name: 'knp/shop/db', outcome: 'allow' });
});

test.each([
  ['--from shop/nobody --to shop/db-0 --port 80', '--from is "shop/nobody"; allowed: an address, or a pod'],
  ['--from shop/web-0 --to shop/db-0 --port 80/ftp', '--port is "80/ftp"; allowed: 443/tcp'],
  ['--from shop/web-0 --to shop/db-0 --port 70000', '--port is "70000"'],
  ['--from shop/web-0 --to shop/db-0 --port tcp', '--port is "tcp"'],
  ['--from fd00::1 --to shop/db-0 --port 80', 'no addresses of one family'],
  ['--from shop/web-0 --to shop/db-0 --port 80 -o yaml', '--output is "yaml"; allowed: json'],
])('policy explain refuses %s', async (flags, says) => {
  const { code, err } = await desk.run(`policy explain ${flags}`);
  expect(code).toBe(1);
  expect(err).toContain(says);
});

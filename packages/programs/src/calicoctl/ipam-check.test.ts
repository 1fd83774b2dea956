import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ClusterInformation,
  IPAMBlock,
  IPAMHandle,
  IPPool,
  KubeControllersConfiguration,
  Node,
  Pod,
  Service,
} from '@calico/api';
import { addr, printAddr } from '@calico/ip';
import { Ipam } from '@calico/ipam';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { Desk, expectGolden } from './testing.ts';

let desk: Desk;
let ipam: Ipam;

const meta = (name: string, namespace?: string) => (namespace === undefined ? { name } : { name, namespace });

/** A pod with the addresses that the CNI plugin noted. */
async function pod(name: string, node: string, ip: string): Promise<void> {
  const annotations = { 'cni.projectcalico.org/podIP': `${ip}/32`, 'cni.projectcalico.org/podIPs': `${ip}/32` };
  await desk.client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...meta(name, 'shop'), annotations },
    spec: { nodeName: node, containers: [{ name: 'main', image: 'none' }] },
  } as Pod);
}

async function allocate(address: string, name: string, node: string): Promise<void> {
  const attributes = { pod: name, namespace: 'shop', node };
  await ipam.assignIp({ address: addr(address), handle: `k8s-pod-network.${name}`, attributes, node });
}

async function lock(ready: boolean): Promise<void> {
  await desk.client.patch(
    ClusterInformation,
    { name: 'default' },
    { spec: { datastoreReady: ready } },
    { type: 'merge' },
  );
}

beforeEach(async () => {
  desk = new Desk();
  const { client } = desk;
  ipam = new Ipam({ client, clock: new ClockFake(), random: seededRandom(1) });
  await client.create(ClusterInformation, {
    apiVersion: ClusterInformation.apiVersion,
    kind: 'ClusterInformation',
    metadata: meta('default'),
    spec: {
      clusterGUID: '0123456789abcdef0123456789abcdef',
      clusterType: 'k8s,kdd',
      calicoVersion: 'v3.33.0',
      datastoreReady: true,
    },
  });
  await client.create(IPPool, {
    apiVersion: IPPool.apiVersion,
    kind: 'IPPool',
    metadata: meta('v4'),
    spec: { cidr: '10.244.0.0/24', blockSize: 28, vxlanMode: 'Always' },
  });
  for (const node of ['node-1', 'node-2']) {
    await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: meta(node), spec: {} } as Node);
  }
  await allocate('10.244.0.1', 'cart-0', 'node-1');
  await pod('cart-0', 'node-1', '10.244.0.1');
});
afterEach(() => desk.close());

/** One of every inconsistency. */
async function breakEverything(): Promise<void> {
  const { client } = desk;
  // Leaked: the pod is gone, is elsewhere, has another address; the tunnel's node is gone; nothing says whose it is.
  await allocate('10.244.0.2', 'gone-0', 'node-9');
  await allocate('10.244.0.3', 'moved-0', 'node-1');
  await pod('moved-0', 'node-2', '10.244.0.20');
  await allocate('10.244.0.20', 'moved-0-new', 'node-2');
  await ipam.assignIp({
    address: addr('10.244.0.4'),
    handle: 'vxlan-tunnel-addr-node-9',
    attributes: { node: 'node-9', type: 'vxlanTunnelAddress' },
    node: 'node-9',
  });
  await ipam.assignIp({ address: addr('10.244.0.5'), handle: 'mystery', attributes: {}, node: 'node-1' });
  // Used twice; used without being allocated; used outside of all pools.
  await pod('cart-1', 'node-2', '10.244.0.1');
  await pod('wild-0', 'node-1', '10.244.0.9');
  await pod('out-0', 'node-1', '192.0.2.7');
  // Handles: one of no address, and an address whose handle is missing.
  await client.create(IPAMHandle, {
    apiVersion: IPAMHandle.apiVersion,
    kind: 'IPAMHandle',
    metadata: meta('k8s-pod-network.crashed'),
    spec: { handleID: 'k8s-pod-network.crashed', block: { '10.244.0.0/28': 1 } },
  });
  await client.delete(IPAMHandle, meta('mystery'));
}

test('ipam check finds nothing in a cluster that is well', async () => {
  const ran = await desk.run('ipam check --show-problem-ips');
  expect({ code: ran.code, err: ran.err }).toEqual({ code: 0, err: '' });
  expect(ran.out).toEndWith('Check complete; found 0 problems.\n');
});

test('ipam check knows tunnel addresses and load balancer services', async () => {
  const tunnel = await ipam.ensureTunnelAddress({ node: 'node-1', kind: 'vxlan', nodeLabels: {} });
  const annotations = { 'projectcalico.org/IPv4VXLANTunnelAddr': printAddr(tunnel ?? addr('0.0.0.0')) };
  await desk.client.patch(Node, meta('node-1'), { metadata: { annotations } }, { type: 'merge' });
  await desk.client.create(KubeControllersConfiguration, {
    apiVersion: KubeControllersConfiguration.apiVersion,
    kind: 'KubeControllersConfiguration',
    metadata: meta('default'),
    spec: { controllers: { loadBalancer: { assignIPs: 'AllServices' } } },
  });
  const service = await desk.client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta('shop', 'shop'),
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
  } as Service);
  await ipam.assignIp({
    address: addr('10.244.0.40'),
    handle: 'lb-1',
    attributes: { service: 'shop' },
    node: 'load-balancer',
  });
  await desk.client.updateStatus(Service, {
    ...service,
    status: { loadBalancer: { ingress: [{ ip: '10.244.0.40' }] } },
  });
  const { out } = await desk.run('ipam check --show-problem-ips');
  expect(out).toContain('Found 1 node tunnel IPs.\n');
  expect(out).toContain('Found 1 service load balancer(s).\n');
  expect(out).toEndWith('Check complete; found 0 problems.\n');
});

test('ipam check finds and explains every inconsistency', async () => {
  await breakEverything();
  const { code, out, err } = await desk.run('ipam check --show-problem-ips');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expectGolden('ipam-check.txt', out);
});

test('ipam release repairs what a report names, and keeps what came into use since', async () => {
  await breakEverything();
  await lock(false);
  const path = join(desk.folder, 'report.json');
  expect((await desk.run(`ipam check -o ${path}`)).code).toBe(0);
  expect(JSON.parse(readFileSync(path, 'utf8')).allocations['10.244.0.2'][0]).toMatchObject({
    ip: '10.244.0.2',
    handle: 'k8s-pod-network.gone-0',
    pod: 'gone-0',
    inUse: false,
  });
  await pod('late-0', 'node-1', '10.244.0.5');
  const released = await desk.run(`ipam release --from-report=${path}`);
  expect(released.err).toBe('');
  expect(released.out).toContain('1 addresses marked as leaked in the report are in use now, and are kept.\n');
  expect(released.code).toBe(0);
  for (const ip of ['10.244.0.1', '10.244.0.5', '10.244.0.20']) {
    expect((await desk.run(`ipam show --ip=${ip}`)).out).toContain('is in use');
  }
  for (const ip of ['10.244.0.2', '10.244.0.3', '10.244.0.4']) {
    expect((await desk.run(`ipam show --ip=${ip}`)).out).toContain('is not assigned');
  }
  expect((await desk.client.list(IPAMHandle)).items.map(({ metadata }) => metadata.name)).not.toContain(
    'k8s-pod-network.crashed',
  );
  const { out } = await desk.run('ipam check');
  expect(out).toContain('Found 0 IPs that are allocated in IPAM but not actually in use.\n');
  expect(out).toContain('Found 0 handles with no matching IPs');
});

test('ipam release refuses reports of another cluster, of another time, and a datastore that is not locked', async () => {
  const path = join(desk.folder, 'report.json');
  await desk.run(`ipam check -o ${path}`);
  const refused = async (): Promise<string> => {
    const { code, err } = await desk.run(`ipam release --from-report=${path}`);
    expect(code).toBe(1);
    return err;
  };
  expect(await refused()).toContain('data store is not locked');
  await lock(false);
  expect(await refused()).toContain('stale');
  await desk.client.patch(
    ClusterInformation,
    { name: 'default' },
    { spec: { clusterGUID: 'f'.repeat(32) } },
    { type: 'merge' },
  );
  expect(await refused()).toContain('mismatched cluster GUID');
  expect((await desk.run(`ipam release --from-report=${desk.file('no.json', '[]')}`)).err).toContain(
    'no "allocations"',
  );
  expect((await desk.run('ipam release')).err).toContain('neither --ip nor --from-report');
});

test('ipam release --ip gives one address back, unless it is in use', async () => {
  await allocate('10.244.0.2', 'gone-0', 'node-1');
  expect(await desk.run('ipam release --ip=10.244.0.2')).toEqual({
    code: 0,
    out: 'Successfully released IP address 10.244.0.2\n',
    err: '',
  });
  expect((await desk.run('ipam release --ip=10.244.0.2')).err).toBe('IP address 10.244.0.2 is not assigned\n');
  const live = await desk.run('ipam release --ip=10.244.0.1');
  expect(live.code).toBe(1);
  expect(live.err).toContain('Cannot release 10.244.0.1: it is in use by Workload(shop/');
  expect((await desk.run('ipam release --ip=10.244.0.1 --force')).code).toBe(0);
});

test('ipam configure sets what is asked for, and refuses contradictions and bad values', async () => {
  expect(await desk.run('ipam configure --strictaffinity=true --max-blocks-per-host=4')).toEqual({
    code: 0,
    out: 'Successfully set StrictAffinity to: true\nSuccessfully set MaxBlocksPerHost to: 4\n',
    err: '',
  });
  expect((await desk.run('ipam show --show-configuration')).out).toMatch(/MaxBlocksPerHost +\| +4 /);
  for (const [flags, text] of [
    ['--strictaffinity=false', 'spec.maxBlocksPerHost is 4'],
    ['--strictaffinity=maybe', 'Use true or false to set strictaffinity'],
    ['--max-blocks-per-host=many', 'allowed: a whole number from 0'],
    ['', 'at least one configuration option must be specified'],
  ]) {
    const { code, err } = await desk.run(`ipam configure ${flags}`.trim());
    expect({ code, has: err.includes(text ?? '') ? '' : err }).toEqual({ code: 1, has: '' });
  }
});

test('ipam split replaces a pool by smaller ones, of which the addresses stay', async () => {
  expect((await desk.run('ipam split 2 --name=v4')).err).toContain('datastore is not locked');
  await lock(false);
  expect((await desk.run('ipam split 3 --name=v4')).err).toContain('not a valid power of 2');
  expect((await desk.run('ipam split 2 --cidr=10.9.0.0/16')).err).toContain('allowed: v4 (10.244.0.0/24)');
  const { code, out } = await desk.run('ipam split 2 --cidr=10.244.0.0/24');
  expect({ code, out }).toEqual({
    code: 0,
    out:
      'IP Pool v4 was successfully split into 2 smaller pools.\n' +
      'Created split-v4-0 with CIDR 10.244.0.0/25.\nCreated split-v4-1 with CIDR 10.244.0.128/25.\n' +
      'Please refer to the documentation for final steps.\n',
  });
  expect((await desk.client.list(IPPool)).items.map(({ spec }) => [spec.cidr, spec.disabled ?? false])).toEqual([
    ['10.244.0.0/25', false],
    ['10.244.0.128/25', false],
  ]);
  expect((await desk.client.list(IPAMBlock)).items).toHaveLength(1);
  expect((await desk.run('ipam check')).out).toEndWith('found 0 problems.\n');
});

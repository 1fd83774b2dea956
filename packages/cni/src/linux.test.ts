import { afterAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cidr } from '@calico/ip';
import { fillThreadPool, linuxMachine } from '@calico/kernel/linux';
import { ClockFake } from '@calico/reconcile';
import { trashGatherMs } from './link-trash.ts';
import { runCniPlugin } from './plugin.ts';
import { startCniServer } from './server.ts';
import { newWorld, outputOf, request } from './testing.ts';

const { createNamespace, deleteNamespace, inNamespace, openKernel } = linuxMachine;
const paths: string[] = [];

afterAll(() => {
  for (const path of paths) deleteNamespace(path);
});

/** A fresh namespace with loopback up. */
function freshNamespace() {
  const path = `/run/netns/cni-test-${process.pid}-${randomBytes(3).toString('hex')}`;
  const namespace = createNamespace(path);
  paths.push(path);
  const kernel = openKernel({ namespace });
  kernel.setLink(kernel.link('lo')?.index ?? 1, { up: true });
  return { path, namespace, kernel };
}

/** Stands still, but its sleeps give the kernel real time to end what it does in the background. */
class KernelPacedClock extends ClockFake {
  override sleep(ms: number): Promise<void> {
    return Bun.sleep(ms);
  }
}

/** A node of its own namespace, with one address. */
async function newNode() {
  await fillThreadPool();
  const node = freshNamespace();
  const index = node.kernel.link('lo')?.index ?? 1;
  node.kernel.replaceAddress({ link: index, address: cidr('192.0.2.1/32'), scope: 'universe' });
  node.kernel.replaceAddress({ link: index, address: cidr('2001:db8::1/128'), scope: 'universe', noDad: true });
  node.kernel.setSysctl('net/ipv4/ip_forward', '1');
  node.kernel.setSysctl('net/ipv6/conf/all/forwarding', '1');
  const world = await newWorld(linuxMachine, node.kernel, new KernelPacedClock());
  return { node, world };
}

type Side = ReturnType<typeof freshNamespace>;

/** Whether a TCP connection comes about between two namespaces. Sockets stay where they were made. */
async function reach(from: Side, to: Side, address: string): Promise<boolean> {
  const socket = { data: () => {} };
  const { server } = inNamespace(to.namespace, () => ({
    server: Bun.listen({ hostname: address, port: 0, socket }),
  }));
  try {
    const { connecting } = inNamespace(from.namespace, () => ({
      connecting: Bun.connect({ hostname: address, port: server.port, socket }),
    }));
    (await connecting).end();
    return true;
  } catch {
    return false;
  } finally {
    server.stop(true);
  }
}

/** How many TCP segments had to be sent again in a namespace: /proc/net/snmp. */
function retransmissions(side: Side): number {
  const text = inNamespace(side.namespace, () => readFileSync('/proc/thread-self/net/snmp', 'latin1'));
  const [names = '', values = ''] = text.split('\n').filter(line => line.startsWith('Tcp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('RetransSegs')]);
}

function addressesOf(output: unknown): string[] {
  const { ips } = output as { ips: { address: string }[] };
  return ips.map(({ address }) => address.replace(/\/.*/, ''));
}

const refusal = process.getuid?.() === 0 ? '' : ' (skipped: needs root, also of a user namespace)';

describe.skipIf(refusal !== '')(`on Linux${refusal}`, () => {
  test('ADD gives pods that the host and each other reach, in both families, and DEL leaves nothing', async () => {
    const { node, world } = await newNode();
    const pods = [freshNamespace(), freshNamespace()] as const;
    const before = node.kernel.links().map(({ name }) => name);
    const config = { ipam: { type: 'calico-ipam', assign_ipv6: 'true' } };
    const calls = pods.map(({ path }, i) => ({ pod: `pod-${i}`, container: `c${i}`, netns: path, config }));
    const addresses: string[] = [];
    for (const call of calls) {
      await world.addPod(call.pod);
      addresses.push(...addressesOf(await outputOf(world.handler(request('ADD', call)))));
    }
    const [four, six, otherFour, otherSix] = addresses;
    const ways = [
      [node, pods[0], four],
      [node, pods[0], six],
      [node, pods[1], otherFour],
      [pods[0], pods[1], otherFour],
      [pods[0], pods[1], otherSix],
      [pods[1], node, '192.0.2.1'],
      [pods[1], node, '2001:db8::1'],
    ] as const;
    for (const [from, to, address = ''] of ways)
      expect([address, await reach(from, to, address)]).toEqual([address, true]);
    expect(await reach(freshNamespace(), pods[0], four ?? '')).toBe(false);
    expect(pods[0].kernel.neighbours().filter(({ permanent }) => permanent)).toHaveLength(2);
    const prevResult = { cniVersion: '1.0.0', ips: [{ address: `${four}/32` }, { address: `${six}/128` }] };
    const [first = {}] = calls;
    const check = request('CHECK', { ...first, config: { ...config, prevResult } });
    expect(await outputOf(world.handler(check))).toBeNull();
    for (const call of calls) await outputOf(world.handler(request('DEL', call)));
    await world.clock.advance(trashGatherMs);
    expect(pods[0].kernel.link('eth0')).toBeUndefined();
    expect(node.kernel.links().map(({ name }) => name)).toEqual(before);
    expect(pods.map(({ kernel }) => kernel.links().map(({ name }) => name))).toEqual([['lo'], ['lo']]);
    expect(node.kernel.routes({ table: 254 }).filter(({ protocol }) => protocol !== 2)).toEqual([]);
  });

  test('ADD answers when the first packet will pass', async () => {
    const { node, world } = await newNode();
    const config = { ipam: { type: 'calico-ipam', assign_ipv6: 'true' } };
    for (let i = 0; i < 8; i++) {
      const pod = freshNamespace();
      const call = { pod: `pod-${i}`, container: `c${i}`, netns: pod.path, config };
      await world.addPod(call.pod);
      const [four = '', six = ''] = addressesOf(await outputOf(world.handler(request('ADD', call))));
      expect(await reach(node, pod, i % 2 === 0 ? six : four)).toBe(true);
      await outputOf(world.handler(request('DEL', call)));
    }
    expect(retransmissions(node)).toBe(0);
    await world.clock.advance(trashGatherMs);
  });

  test('ADD of a container that has its network already makes it anew under the same address', async () => {
    const { node, world } = await newNode();
    const pod = freshNamespace();
    await world.addPod('web');
    const call = request('ADD', { netns: pod.path });
    const [address = ''] = addressesOf(await outputOf(world.handler(call)));
    expect(addressesOf(await outputOf(world.handler(call)))).toEqual([address]);
    await world.clock.advance(trashGatherMs);
    expect(pod.kernel.links().map(({ name }) => name)).toEqual(['lo', 'eth0']);
    expect(await reach(node, pod, address)).toBe(true);
    await outputOf(world.handler(request('DEL', { netns: pod.path })));
    await world.clock.advance(trashGatherMs);
  });

  test('the plugin over a socket does the same, and refuses the namespace of the host', async () => {
    const { world, node } = await newNode();
    const pod = freshNamespace();
    await world.addPod('web');
    const socketPath = join(tmpdir(), `cni-test-${process.pid}.sock`);
    const server = await startCniServer({
      socketPath,
      handler: world.handler,
      log: { debug: () => {}, info: () => {}, warn: () => {} },
    });
    const run = async (command: string, netns: string) => {
      let printed = '';
      await runCniPlugin({
        argv0: 'calico',
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: 'c1',
          CNI_NETNS: netns,
          CNI_IFNAME: 'eth0',
          CNI_PATH: '/',
          CNI_ARGS: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web',
        },
        stdin: JSON.stringify({ cniVersion: '0.4.0', name: 'net', type: 'calico', agent: socketPath }),
        stdout: {
          write: text => {
            printed += text;
          },
        },
        stderr: { write: () => {} },
      });
      return printed === '' ? null : JSON.parse(printed);
    };
    expect(await run('ADD', '/proc/self/ns/net')).toMatchObject({ code: 8 });
    expect(await reach(node, pod, addressesOf(await run('ADD', pod.path))[0] ?? '')).toBe(true);
    expect(await run('DEL', pod.path)).toBeNull();
    await server.stop();
    rmSync(socketPath, { force: true });
    await world.clock.advance(trashGatherMs);
  });
});

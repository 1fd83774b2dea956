import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { Containerd } from './containerd.ts';
import { KubernetesNode } from './kubernetes-node.ts';
import { missingFor, until } from './machine.ts';

const missing = missingFor('containerd', 'ctr', 'runc', 'busybox', 'curl', 'go');
const isHostRoute = (destination: string) => !destination.includes('/');
const START_MS = 1_800_000;
const serve = ['/bin/httpd', '-f', '-p', '8080', '-h', '/'];
const sleep = ['/bin/sleep', '1000'];
/** Exit code 0 when the page is served within a second. */
const fetch = (address: string) => [
  '/bin/sh',
  '-c',
  `printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 1 ${address} 8080 | grep -q hello`,
];

describe.skipIf(missing !== undefined)(`containerd${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let node: KubernetesNode;
  let containerd: Containerd;
  let before: { interfaces: string[]; routes: string[] };

  beforeAll(async () => {
    node = await KubernetesNode.start();
    containerd = new Containerd(node);
    await containerd.start();
    before = { interfaces: await node.machine.interfaces(), routes: await node.machine.routes() };
  }, START_MS);

  afterAll(async () => {
    await containerd?.stop();
    await node?.stop();
  });

  /** Every test leaves the machine as it found it. Routes of blocks stay as long as the node has the block. */
  afterEach(async () => {
    await containerd.removeSandboxes();
    // The kernel deletes links slowly, so the agent does it a little later, many at once.
    await until('the links are deleted', async () => {
      return (await node.machine.interfaces()).join() === before.interfaces.join();
    });
    expect((await node.machine.routes()).filter(isHostRoute)).toEqual(before.routes.filter(isHostRoute));
    expect(await node.allocatedAddresses()).toBe(0);
    expect(await containerd.sandboxes()).toBe(0);
  });

  /** A pod with its sandbox and, in a container, a server or a shell. */
  async function startPod(name: string, command: readonly string[], labels: Readonly<Record<string, string>> = {}) {
    const pod = await node.createPod(name, labels);
    const sandbox = await containerd.runSandbox(pod);
    const container = await containerd.startContainer(sandbox, pod, command);
    return { name, sandbox, container, address: await containerd.address(sandbox) };
  }

  async function removePod(pod: { name: string; sandbox: string }): Promise<void> {
    await containerd.removeSandbox(pod.sandbox);
    await node.deletePod(pod.name);
  }

  const answers = async (from: { container: string }, to: { address: string }) =>
    (await containerd.exec(from.container, fetch(to.address))) === 0;

  test('a pod has the address that the runtime reports, reaches its neighbour, and leaves nothing', async () => {
    const server = await startPod('server', serve);
    const client = await startPod('client', sleep);
    expect(server.address).toStartWith('10.77.');
    expect(await node.podAddresses()).toContain(`${server.address}/32`);
    await until('the neighbour answers', () => answers(client, server));
    for (const pod of [server, client]) await removePod(pod);
  }, 120_000);

  test('a policy that is there before the pod holds from the first packet', async () => {
    await node.apply({
      apiVersion: 'projectcalico.org/v3',
      kind: 'NetworkPolicy',
      metadata: { name: 'closed', namespace: 'default' },
      spec: {
        selector: "role == 'closed'",
        types: ['Ingress'],
        ingress: [{ action: 'Allow', source: { selector: "role == 'friend'" } }],
      },
    });
    const friend = await startPod('friend', sleep, { role: 'friend' });
    const stranger = await startPod('stranger', sleep);
    const server = await startPod('server', serve, { role: 'closed' });
    await until('the friend is let in', () => answers(friend, server));
    expect(await answers(stranger, server)).toBeFalse();
    for (const pod of [friend, stranger, server]) await removePod(pod);
    await node.delete('networkpolicies.projectcalico.org', 'closed');
  }, 120_000);

  test('a port of the host leads to the pod, through the plugin that comes after ours', async () => {
    const pod = await node.createPod('published');
    const sandbox = await containerd.runSandbox(pod, 0, [
      { protocol: 'TCP', container_port: 8080, host_port: 18080, host_ip: '' },
    ]);
    await containerd.startContainer(sandbox, pod, serve);
    const fetchHost = ['curl', '--silent', '--max-time', '3', 'http://172.31.7.1:18080/'];
    await until('the host port answers', async () => (await node.machine.run(fetchHost)).stdout === 'hello');
    await removePod({ name: pod.name, sandbox });
    expect((await node.machine.run(fetchHost)).code).not.toBe(0);
  }, 120_000);

  test('without an agent a sandbox fails and names the cause; once it is back, the next try succeeds', async () => {
    await node.stopAgent('SIGKILL');
    const pod = await node.createPod('early');
    const refused = await containerd.runSandbox(pod).then(
      () => 'it ran',
      (error: Error) => error.message,
    );
    expect(refused).toContain('/var/run/calico/cni.sock');
    await node.startAgent();
    const sandbox = await containerd.runSandbox(pod, 1);
    await removePod({ name: pod.name, sandbox });
  }, 120_000);

  for (const part of ['agent', 'API server'] as const) {
    test(`the ${part} is killed while sandboxes start: each starts at a later try, and nothing leaks`, async () => {
      const pods = await Promise.all(Array.from({ length: 4 }, (_, i) => node.createPod(`crash-${i}`)));
      const tries = pods.map(pod => containerd.runSandbox(pod).catch(() => undefined));
      await until('the first plugin is at work', async () => {
        return (await node.machine.interfaces()).length > before.interfaces.length;
      });
      if (part === 'agent') {
        await node.stopAgent('SIGKILL');
        await node.startAgent();
      } else {
        await node.stopApi('SIGKILL');
        await node.startApi();
      }
      const first = await Promise.all(tries);
      for (const [i, pod] of pods.entries()) {
        // A kubelet tries again with a new sandbox as long as it has none.
        let sandbox = first[i];
        for (let attempt = 1; sandbox === undefined; attempt++) {
          if (attempt > 5) throw new Error(`no sandbox for ${pod.name} after five tries: ${node.agentWords()}`);
          sandbox = await containerd.runSandbox(pod, attempt).catch(() => undefined);
        }
        await removePod({ name: pod.name, sandbox });
      }
    }, 300_000);
  }

  test('containerd is killed while pods run: they keep their network, and are removed by its successor', async () => {
    const server = await startPod('server', serve);
    const client = await startPod('client', sleep);
    await containerd.restart();
    expect(await containerd.address(server.sandbox)).toBe(server.address);
    await until('the neighbour answers', () => answers(client, server));
    for (const pod of [server, client]) await removePod(pod);
  }, 120_000);
});

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { missingFor, until } from '../runtimes/machine.ts';
import { addressOf, CniNode, type Result } from './cni-node.ts';

const storyMs = 120_000;
const missing = missingFor('busybox', 'curl');
const pool = {
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPPool',
  metadata: { name: 'pods' },
  spec: { cidr: '10.77.0.0/16' },
};

describe.skipIf(missing !== undefined)(`a cold boot${missing ? ` (${missing})` : ''}`, () => {
  let node: CniNode;
  beforeAll(async () => {
    node = await CniNode.start();
    await node.startApi();
    await node.apply('api', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec: {} }, pool);
  }, storyMs);
  afterAll(() => node?.stop());

  const list = {
    cniVersion: '1.0.0',
    name: 'k8s-pod-network',
    plugins: [{ type: 'calico', agent_timeout_seconds: 1, ipam: { type: 'calico-ipam' } }],
  };

  test(
    'without an API server starts every pod once it is there, by nobody but those who ask again',
    async () => {
      const pods = await Promise.all(['a', 'b', 'c'].map(name => node.newPod(name)));
      await node.kill('API server');
      const refusals: string[] = [];
      /** As a kubelet does: a sandbox that failed is tried again, for ever. */
      const started = pods.map(async (pod): Promise<Result | undefined> => {
        const end = performance.now() + storyMs;
        for (;;) {
          try {
            return await node.call('ADD', list, pod);
          } catch (error) {
            refusals.push(String(error));
            if (performance.now() > end) throw error;
          }
        }
      });
      const named = (text: string) => refusals.some(each => each.includes(text));
      await until('the plugin has named the agent that is away', () =>
        named('no node agent answers on /var/run/calico/cni.sock'),
      );
      // Whoever keeps the agent running starts it again when it ends.
      const agent = ['sh', '-c', 'while :; do "$@"; sleep 1; done', 'sh', ...CniNode.agentCommand];
      await node.startAgent({ DATASTORE_TYPE: 'kubernetes', KUBECONFIG: node.kubeconfig }, agent);
      await until('the agent has named the API server that is away', () => named('localhost:6443'));
      // Each says that it may be tried again.
      expect(refusals.filter(text => !text.includes('"code":11'))).toEqual([]);
      await node.startApi();
      const addresses = (await Promise.all(started)).map(addressOf);
      expect(new Set(addresses).size).toBe(3);
      for (const address of addresses) expect([address, await node.reaches(address)]).toEqual([address, true]);
    },
    storyMs,
  );

  test('refuses a container with the network of the host at once, agent or not', async () => {
    const startedAt = performance.now();
    const input = JSON.stringify({
      ...list.plugins[0],
      cniVersion: '1.0.0',
      name: 'net',
      agent: '/absent',
      agent_timeout_seconds: 30,
    });
    const own = { id: 'host' };
    await node.machine.must(['sh', '-c', 'touch /run/netns/host && mount --bind /proc/self/ns/net /run/netns/host']);
    const { stdout } = await node.plugin('ADD', 'calico', own, input);
    expect(JSON.parse(stdout)).toMatchObject({ code: 8 });
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  });
});

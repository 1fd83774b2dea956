import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { missingFor } from '../runtimes/machine.ts';
import { addressOf, CniNode, type Container, type PluginList, type Result } from './cni-node.ts';

const startMs = 60_000;
const v3 = 'projectcalico.org/v3';
const missing = missingFor('etcd', 'etcdctl', 'busybox', 'iptables-save');

const pools = [
  { apiVersion: v3, kind: 'IPPool', metadata: { name: 'v4' }, spec: { cidr: '10.77.0.0/16' } },
  { apiVersion: v3, kind: 'IPPool', metadata: { name: 'other' }, spec: { cidr: '10.78.0.0/16' } },
  { apiVersion: v3, kind: 'IPPool', metadata: { name: 'v6' }, spec: { cidr: 'fd00:77::/112' } },
];

const forms = [
  { form: 'by the agent', plugin: { type: 'calico' } },
  { form: 'without an agent', plugin: { type: 'calico', agent: 'none' } },
];

/** The configurations of Calico's documentation, each as it stands there but for names and paths of this machine. */
for (const { form, plugin } of forms) {
  const title = `configurations of the documentation, ${form}${missing ? ` (${missing})` : ''}`;
  describe.skipIf(missing !== undefined)(title, () => configurations(plugin));
}

function configurations(plugin: { readonly type: string; readonly agent?: string }): void {
  const byAgent = plugin.agent === undefined;
  let node: CniNode;
  let before: Awaited<ReturnType<CniNode['traces']>>;
  let containers = 0;

  beforeAll(async () => {
    node = await CniNode.start();
    await Promise.all([node.startApi(), node.startEtcd()]);
    await node.apply('etcd', ...pools);
    await node.apply('api', ...pools, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node-1' },
      spec: { podCIDR: '10.79.1.0/24', podCIDRs: ['10.79.1.0/24', 'fd00:79:1::/64'] },
    });
    await startAgent({ DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: 'http://127.0.0.1:2379' });
  }, startMs);
  afterAll(() => node?.stop());

  /** Where there is to be one; in place of one that is there. */
  async function startAgent(env: Readonly<Record<string, string>>): Promise<void> {
    if (byAgent) {
      await node.kill('agent', 'SIGTERM');
      await node.startAgent(env);
      await node.untilAgentReady();
    }
    before = await node.traces();
  }

  /** An agent keeps what it takes away for a moment. */
  async function untilNothingIsLeft(): Promise<void> {
    const end = performance.now() + 10_000;
    while (JSON.stringify(await node.traces()) !== JSON.stringify(before) && performance.now() < end);
    expect(await node.traces()).toEqual(before);
  }

  /** ADD, CHECK where the version knows it, packets, DEL twice, nothing left. */
  async function live(
    list: PluginList,
    options: Partial<Container> = {},
    look?: (result: Result) => unknown,
  ): Promise<void> {
    const container = { id: `c${++containers}0123456789abcdef`, ...options };
    if (container.pod !== undefined) {
      await node.apply('api', {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: container.pod, namespace: 'default' },
        spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'busybox' }] },
      });
    }
    await node.addNamespace(container);
    try {
      const result = await node.call('ADD', list, container);
      expect([addressOf(result), await node.reaches(addressOf(result))]).toEqual([addressOf(result), true]);
      // The CHECK of portmap 1.1 wants its rules for IPv6 too, where there is no address of IPv6.
      const checked = { ...list, plugins: list.plugins.filter(({ type }) => type !== 'portmap') };
      if (list.cniVersion >= '0.4.0') await node.call('CHECK', checked, container, result);
      await look?.(result ?? {});
      await node.call('DEL', list, container, result);
      await node.call('DEL', list, container, result);
      await untilNothingIsLeft();
    } finally {
      await node.deleteNamespace(container);
    }
  }

  const kubernetes = () => ({
    ...plugin,
    datastore_type: 'kubernetes',
    policy: { type: 'k8s' },
    kubernetes: { kubeconfig: node.kubeconfig },
  });
  /** The documentation's name for a network, which no Kubernetes API server takes as part of a name. */
  const list = (one: PluginList['plugins'][number], cniVersion = '1.0.0'): PluginList => ({
    cniVersion,
    name: one.datastore_type === 'kubernetes' ? 'any-name' : 'any_name',
    plugins: [one],
  });

  for (const cniVersion of ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
    test(`minimal, in version ${cniVersion} of the specification`, async () => {
      await live(list({ ...plugin, ipam: { type: 'calico-ipam' } }, cniVersion));
    });
  }

  test('etcd by its endpoints', async () => {
    const etcd = { datastore_type: 'etcdv3', etcd_endpoints: 'http://127.0.0.1:2379,http://127.0.0.1:1' };
    await live(list({ ...plugin, ...etcd, ipam: { type: 'calico-ipam' } }));
  });

  test('etcd by the authority of old configurations', async () => {
    await live(list({ ...plugin, etcd_authority: '127.0.0.1:2379', ipam: { type: 'calico-ipam' } }));
  });

  test('nodename', async () => {
    await live(list({ ...plugin, nodename: 'node-1', ipam: { type: 'calico-ipam' } }));
  });

  test('logging', async () => {
    const logging = {
      log_level: 'DEBUG',
      log_file_path: '/var/log/calico/cni/cni.log',
      log_file_max_size: 1,
      log_file_max_age: 1,
      log_file_max_count: 2,
    };
    await live(list({ ...plugin, ...logging, ipam: { type: 'calico-ipam' } }));
    const lines = node.read('/var/log/calico/cni/cni.log')?.trim().split('\n') ?? [];
    expect(
      lines.filter(line => line.includes('cni: CNI call done')).map(line => /command=(\w+)/.exec(line)?.[1]),
    ).toEqual(['ADD', 'CHECK', 'DEL', 'DEL']);
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[(DEBUG|INFO)\]\[\d+\] cni: /);
    // What is done in detail is told by whoever does it.
    expect(lines.some(line => line.includes('[DEBUG]'))).toBe(!byAgent);
  });

  test('IPAM: both families, pools by name and by CIDR with host bits', async () => {
    const ipam = {
      type: 'calico-ipam',
      assign_ipv4: 'true',
      assign_ipv6: 'true',
      ipv4_pools: ['10.78.0.20/16', 'other'],
      ipv6_pools: ['fd00:77::20/112'],
    };
    await live(list({ ...plugin, ipam }), {}, async ({ ips }) => {
      expect(ips?.map(({ address }) => address)).toEqual([
        expect.stringMatching(/^10\.78\./),
        expect.stringMatching(/^fd00:77::/),
      ]);
      expect(await node.reaches(ips?.[1]?.address.split('/')[0] ?? '')).toBe(true);
    });
  });

  test('allow_ip_forwarding, num_queues and an MTU', async () => {
    const config = { container_settings: { allow_ip_forwarding: true }, num_queues: 4, mtu: 1340 };
    await live(list({ ...plugin, ...config, ipam: { type: 'calico-ipam' } }), {}, async ({ interfaces }) => {
      const inside = ['ip', 'netns', 'exec', interfaces?.[1]?.sandbox?.split('/').at(-1) ?? ''];
      expect(await node.machine.must([...inside, 'cat', '/proc/sys/net/ipv4/ip_forward'])).toBe('1\n');
      const [link] = JSON.parse(await node.machine.must([...inside, 'ip', '-j', '-d', 'link', 'show', 'eth0']));
      expect(link).toMatchObject({ mtu: 1340, num_tx_queues: 4, num_rx_queues: 4 });
    });
  });

  describe('in Kubernetes', () => {
    beforeAll(() => startAgent({ DATASTORE_TYPE: 'kubernetes', KUBECONFIG: node.kubeconfig }), startMs);

    test('kubeconfig and policy of type k8s', async () => {
      await live(list({ ...kubernetes(), ipam: { type: 'calico-ipam' } }), { pod: 'web' }, async result => {
        const noted = await node.kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.metadata.annotations}']);
        expect(JSON.parse(noted)).toMatchObject({ 'cni.projectcalico.org/podIP': `${addressOf(result)}/32` });
      });
    });

    test('host-local with usePodCidr', async () => {
      await live(
        list({ ...kubernetes(), ipam: { type: 'host-local', subnet: 'usePodCidr' } }),
        { pod: 'local' },
        result => {
          expect(addressOf(result)).toStartWith('10.79.1.');
        },
      );
    });

    test('host-local of both families, with ranges and routes', async () => {
      const ipam = {
        type: 'host-local',
        ranges: [[{ subnet: 'usePodCidr' }], [{ subnet: 'usePodCidrIPv6' }]],
        routes: [{ dst: '172.31.7.0/24' }, { dst: '::/0' }],
      };
      await live(list({ ...kubernetes(), ipam }), { pod: 'dual' }, async ({ ips, routes }) => {
        expect(ips?.map(({ address }) => address)).toEqual([
          expect.stringMatching(/^10\.79\.1\.\d+\/32$/),
          expect.stringMatching(/^fd00:79:1::\w+\/128$/),
        ]);
        expect(routes).toEqual([{ dst: '172.31.7.0/24' }, { dst: '::/0' }]);
      });
    });

    test('a list with portmap and bandwidth, which get the result and pass it on', async () => {
      const plugins = [
        { ...kubernetes(), ipam: { type: 'calico-ipam' } },
        { type: 'portmap', snat: true, capabilities: { portMappings: true } },
        { type: 'bandwidth', capabilities: { bandwidth: true } },
      ];
      const runtimeConfig = {
        portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }],
        bandwidth: { ingressRate: 1_000_000, ingressBurst: 1_000_000, egressRate: 1_000_000, egressBurst: 1_000_000 },
      };
      await live(
        { cniVersion: '1.0.0', name: 'any-name', plugins },
        { pod: 'ports', runtimeConfig },
        async ({ interfaces }) => {
          // bandwidth adds its own interface to what Calico made.
          expect(interfaces?.slice(0, 2).map(({ name }) => name)).toEqual([expect.stringMatching(/^cali/), 'eth0']);
          expect(await node.machine.must(['iptables-save', '-t', 'nat'])).toContain('--dport 8080');
        },
      );
    });
  });

  if (byAgent) return;

  test('a datastore that is not there, a node without a name and a wait for policy are told', async () => {
    const container = { id: `c${++containers}` };
    await node.addNamespace(container);
    const says = async (config: object) => {
      const input = JSON.stringify({
        cniVersion: '1.0.0',
        name: 'any-name',
        ipam: { type: 'calico-ipam' },
        ...plugin,
        ...config,
      });
      const { code, stdout } = await node.plugin('ADD', 'calico', container, input);
      return { exit: code, ...JSON.parse(stdout) };
    };
    expect(await says({ nodename_file: '/absent' })).toMatchObject({
      exit: 1,
      code: 11,
      msg: expect.stringContaining('/absent is not there'),
    });
    expect(await says({ nodename: 'node-2', nodename_file: '/absent', nodename_file_optional: true })).toMatchObject({
      exit: 0,
    });
    await node.plugin(
      'DEL',
      'calico',
      container,
      JSON.stringify({ cniVersion: '1.0.0', name: 'any-name', ...plugin, nodename: 'node-2' }),
    );
    expect(await says({ require_mtu_file: true })).toMatchObject({
      exit: 1,
      code: 11,
      msg: expect.stringContaining('require_mtu_file'),
    });
    expect(await says({ etcd_endpoints: 'http://127.0.0.1:1' })).toMatchObject({ exit: 1, code: 11 });
    expect(await node.traces()).toEqual(before);
    await node.deleteNamespace(container);
  });

  test('policy_setup_timeout_seconds waits for the file of the endpoint, and starts the pod without it', async () => {
    const waits = {
      ...plugin,
      policy_setup_timeout_seconds: 1,
      endpoint_status_dir: '/run/status',
      ipam: { type: 'calico-ipam' },
    };
    const started = performance.now();
    await live(list(waits));
    expect(performance.now() - started).toBeGreaterThan(1_000);
  });
}

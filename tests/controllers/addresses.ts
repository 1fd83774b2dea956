import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { CalicoNode, IPAMBlock, KubeControllersConfiguration, Node } from '@calico/api';
import { defaultConfiguration, isSeparate } from '@calico/controllers';
import { addr } from '@calico/ip';
import { isIpamError } from '@calico/ipam';
import { until } from '../faults/until.ts';
import { addNode, addPod, type Cluster, inUse, losePod } from './cluster.ts';
import { type ControllersProcess, startProcess } from './controllers-process.ts';

const GRACE_MS = 3000;

/** What becomes of addresses when pods, nodes and the controllers themselves are gone, as bun tests. `start` is called once. */
export function addressStories(start: () => Promise<Cluster>, startMs: number): void {
  setDefaultTimeout(120_000);
  let cluster: Cluster;
  const running: ControllersProcess[] = [];
  beforeAll(async () => {
    cluster = await start();
    const { spec, ...rest } = defaultConfiguration();
    const { node } = spec.controllers;
    await cluster.calico.create(KubeControllersConfiguration, {
      ...rest,
      spec: {
        ...spec,
        prometheusMetricsPort: 0,
        controllers: { ...spec.controllers, node: { ...node, leakGracePeriod: `${GRACE_MS}ms` } },
      },
    });
  }, startMs);
  afterAll(() => cluster.stop());
  afterEach(async () => {
    for (const process of running.splice(0)) await process.end('SIGTERM');
  });

  const run = async (): Promise<ControllersProcess> => {
    const process = await startProcess(cluster);
    running.push(process);
    return process;
  };
  const addNodes = async (...names: string[]): Promise<void> => {
    for (const name of names) {
      await addNode(cluster, name);
      if (!isSeparate({ calico: cluster.calico, kubernetes: cluster.kubernetes })) continue;
      await cluster.calico.create(CalicoNode, {
        apiVersion: 'projectcalico.org/v3',
        kind: 'Node',
        metadata: { name },
        spec: { orchRefs: [{ orchestrator: 'k8s', nodeName: name }] },
      });
    }
  };
  /** Handles are written after blocks, and settled after a crash. Each look reads everything. */
  const allFits = async (): Promise<boolean> => {
    await Bun.sleep(250);
    return (await cluster.ipam.check()).length === 0;
  };
  // `expect(…).rejects` holds up the event loop, and with it the connection to etcd.
  const handleOf = (address: string): Promise<string | undefined> =>
    cluster.ipam.lookup(addr(address)).then(
      ({ handle }) => handle,
      err => {
        if (!isIpamError(err, 'NotFound')) throw err;
        return undefined;
      },
    );

  test('a pod that is gone without CNI DEL loses its address only after the grace period', async () => {
    await addNodes('one', 'two');
    const lost = await addPod(cluster, 'one', 'lost');
    const kept = await addPod(cluster, 'one', 'kept');
    const process = await run();
    await until(async () => process.ready());
    const began = performance.now();
    await losePod(cluster, 'lost');
    await until(async () => (await inUse(cluster)) === 1);
    expect(performance.now() - began).toBeGreaterThan(GRACE_MS);
    expect(await handleOf(lost)).toBeUndefined();
    expect(await handleOf(kept)).toBe('k8s-pod-network.kept');
    await until(allFits);
    expect(await process.end('SIGTERM')).toBe(0);
    expect(process.output()).toContain('released a leaked address');
  });

  test('a node that is gone loses everything, and pods elsewhere nothing', async () => {
    const kept = await addPod(cluster, 'two', 'elsewhere');
    for (let i = 0; i < 20; i++) await addPod(cluster, 'one', `gone-${i}`);
    await run();
    for (let i = 0; i < 20; i++) await losePod(cluster, `gone-${i}`);
    await losePod(cluster, 'kept');
    await cluster.kubernetes.delete(Node, { name: 'one' });
    if (cluster.calico !== cluster.kubernetes) await cluster.calico.delete(CalicoNode, { name: 'one' });
    const affinities = async () => (await cluster.calico.list(IPAMBlock)).items.map(({ spec }) => spec.affinity);
    await until(async () => (await affinities()).every(affinity => affinity === 'host:two'));
    expect(await inUse(cluster)).toBe(1);
    expect(await handleOf(kept)).toBe('k8s-pod-network.elsewhere');
    await until(allFits);
  });

  test('of two instances one is killed in the midst of its work, and the other ends it', async () => {
    await addNodes('three');
    const kept = await addPod(cluster, 'two', 'live');
    const before = await inUse(cluster);
    for (let i = 0; i < 20; i++) await addPod(cluster, 'three', `pod-${i}`);
    const both = [await run(), await run()];
    for (const process of both) await until(async () => process.ready());
    const leading = () => both.filter(process => process.output().includes('leading'));
    await until(async () => leading().length === 1);
    for (let i = 0; i < 20; i++) await losePod(cluster, `pod-${i}`);
    await cluster.kubernetes.delete(Node, { name: 'three' });
    await until(async () => (await inUse(cluster)) < before + 20);
    const [leader] = leading();
    await leader?.end('SIGKILL');
    await until(async () => leading().length === 2);
    await until(async () => (await inUse(cluster)) === before && (await allFits()));
    expect(await handleOf(kept)).toBe('k8s-pod-network.live');
  });
}

import { randomBytes } from 'node:crypto';
import { createNamespace, deleteNamespace, openKernel } from '@calico/kernel/linux';
import type { NodeAgent } from './agent-process.ts';
import { type CniCall, callCni } from './cni-call.ts';
import { namespaceFolder, raiseLoopback } from './fabric.ts';
import type { InnerMethods } from './protocol.ts';

/** Measures the CNI plugin from its process's start to its end, `concurrency` calls at a time: every ADD, then every DEL. */
export async function timeCni(
  agent: NodeAgent,
  { pods, concurrency }: Parameters<InnerMethods['cniTimes']>[0],
): Promise<{ addMs: number[]; delMs: number[]; addWallMs: number }> {
  const calls = pods.map(({ namespace, name, uid }): CniCall => {
    const containerId = randomBytes(32).toString('hex');
    const netns = `${namespaceFolder}/cni-${containerId.slice(0, 12)}`;
    const pod = createNamespace(netns);
    const kernel = openKernel({ namespace: pod });
    raiseLoopback(kernel);
    kernel.close();
    pod.close();
    return {
      plugin: agent.cniPlugin,
      config: agent.cniConfig,
      containerId,
      netns,
      podName: name,
      podNamespace: namespace,
      podUid: uid,
      node: agent.namespace,
    };
  });
  const startedAt = performance.now();
  const addMs = await timeAll(calls, concurrency, call => callCni('ADD', call));
  const addWallMs = performance.now() - startedAt;
  const delMs = await timeAll(calls, concurrency, call => callCni('DEL', call));
  for (const { netns } of calls) deleteNamespace(netns);
  return { addMs, delMs, addWallMs };
}

async function timeAll<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      const startedAt = performance.now();
      await work(item);
      times.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return times;
}

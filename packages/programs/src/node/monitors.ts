import { CalicoNode, IPPool, Node } from '@calico/api';
import { startReflector } from '@calico/datastore';
import { Ipam } from '@calico/ipam';
import { durationOf, RepeatedWork } from '@calico/node';
import { type Component, Lifecycle, runUntilSignal, systemClock, systemRandom } from '@calico/process';
import type { Environment } from '../datastore/config.ts';
import { withNode } from './lifecycle.ts';
import type { OpenNode } from './open-node.ts';
import { allocateTunnels, checkAddresses } from './this-node.ts';

const times = { clock: systemClock, random: systemRandom };

/** `calico component node monitor-addresses`: rejects when an address can't be had any more, or another node has it. */
export async function runMonitorAddresses(env: Environment): Promise<number> {
  const intervalMs = durationOf(env, 'AUTODETECT_POLL_INTERVAL', 60_000);
  return await withNode(env, 'monitor-addresses', async node => {
    const end = new AbortController();
    const work = new RepeatedWork({
      ...times,
      intervalMs,
      work: () => checkAddresses(node),
      onRound: failure => failure && end.abort(failure.error),
    });
    const component = { name: 'address monitor', start: () => work.askIn(intervalMs), stop: () => work.stop() };
    await run(node, component, end.signal);
  });
}

/** `calico component node allocate-tunnel-addrs`: rejects with the first failure when it is to run once. */
export async function runAllocateTunnelAddresses(env: Environment, flags: { runOnce?: true }): Promise<number> {
  return await withNode(env, 'tunnel-ip-allocator', async node => {
    const ipam = new Ipam({ ...times, client: node.datastore.client, log: node.log });
    if (flags.runOnce) return await allocateTunnels(node, ipam);
    const work = new RepeatedWork({
      ...times,
      work: () => allocateTunnels(node, ipam),
      onRound: failure =>
        failure &&
        node.log.warn({ err: failure.error, retryMs: failure.retryMs }, 'Tunnels have not all their addresses'),
    });
    const stop = new AbortController();
    await run(node, {
      name: 'tunnel addresses',
      start() {
        watchTunnelInputs(node, () => work.ask(), stop.signal);
      },
      async stop() {
        stop.abort(new Error('the program ends'));
        await work.stop();
      },
    });
  });
}

/** Calls at once and whenever a pool or this node has changed. */
function watchTunnelInputs({ datastore, environment, log }: OpenNode, call: () => void, signal: AbortSignal): void {
  const handler = { onSync: call, onEvent: call };
  const deps = { ...times, log, signal };
  const self = { selection: { fieldSelector: `metadata.name=${environment.nodeName}` } };
  const { client, type } = datastore;
  startReflector(client, IPPool, handler, deps);
  if (type === 'etcdv3') startReflector(client, CalicoNode, handler, deps, self);
  else startReflector(client, Node, handler, deps, self);
}

async function run(node: OpenNode, component: Component, end?: AbortSignal): Promise<void> {
  const lifecycle = new Lifecycle({ components: [component], clock: systemClock, log: node.log });
  await runUntilSignal(lifecycle, end === undefined ? {} : { end });
}

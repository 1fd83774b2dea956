import { randomBytes } from 'node:crypto';
import { Pod } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import type { Namespace } from '@calico/kernel';
import { createNamespace, deleteNamespace, openKernel } from '@calico/kernel/linux';
import type { Logger } from '@calico/process';
import { type Backoff, backoff, type Clock, type Random } from '@calico/reconcile';
import { type CniCall, callCni } from './cni-call.ts';
import { namespaceFolder, raiseLoopback } from './fabric.ts';
import { type PodServers, servePod } from './pod-servers.ts';

/** A pod with this annotation is left alone: somebody else calls the CNI plugin for it, as benchmarks do. */
export const unmanagedAnnotation = 'lab.projectcalico.org/unmanaged';

/** What a kubelet needs to know of its node. */
export interface KubeletOptions {
  readonly nodeName: string;
  /** Address of the node, for status.hostIP. */
  readonly nodeIp: string;
  readonly namespace: Namespace;
  readonly client: Client;
  /** The CNI plugin and its configuration. */
  readonly plugin: string;
  readonly cniConfig: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A pod that runs: its namespace, addresses and servers. */
export interface RunningPod {
  readonly pod: Pod;
  readonly netns: Namespace;
  readonly ips: readonly string[];
  /** Milliseconds that the CNI plugin took for ADD, from its start to its end. */
  readonly addMs: number;
}

interface Sandbox extends RunningPod {
  readonly call: CniCall;
  readonly servers: PodServers;
}

/**
 * A small kubelet: gives every pod of its node a network namespace, its network by the CNI plugin, servers on the
 * declared ports, and its status; takes it all away when the pod goes. Pods are worked on side by side, each in order.
 */
export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #wanted = new Map<string, Pod>();
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #busy = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: KubeletOptions) {
    this.#options = options;
  }

  /** The pods that run now. */
  get running(): Iterable<RunningPod> {
    return this.#sandboxes.values();
  }

  /** The pod is as given, or (undefined) gone. Called for every change of a pod of this node. */
  podChanged(key: string, pod: Pod | undefined): void {
    if (pod?.metadata.annotations?.[unmanagedAnnotation] !== undefined) return;
    const wanted = pod !== undefined && pod.metadata.deletionTimestamp === undefined && pod.spec.hostNetwork !== true;
    if (wanted) this.#wanted.set(key, pod);
    else this.#wanted.delete(key);
    if (pod?.metadata.deletionTimestamp !== undefined) this.#finish(pod);
    this.#work(key);
  }

  /** Stops working and waits for what is under way; the pods stay. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the kubelet stops'));
    await Promise.all(this.#busy.values());
  }

  /** Starts to bring one pod to what is wanted, unless that is under way already. */
  #work(key: string): void {
    if (this.#busy.has(key) || this.#stop.signal.aborted) return;
    const work = this.#converge(key).finally(() => {
      this.#busy.delete(key);
      // Something may have changed after the last look.
      if (!this.#isConverged(key)) this.#work(key);
    });
    this.#busy.set(key, work);
  }

  #isConverged(key: string): boolean {
    return this.#wanted.get(key)?.metadata.uid === this.#sandboxes.get(key)?.pod.metadata.uid;
  }

  async #converge(key: string): Promise<void> {
    const { clock, random, log } = this.#options;
    const retry: Backoff = backoff({ base: 100, max: 5_000, factor: 2, jitter: 0.3 }, random);
    while (!this.#isConverged(key) && !this.#stop.signal.aborted) {
      try {
        const sandbox = this.#sandboxes.get(key);
        if (sandbox !== undefined) await this.#tearDown(key, sandbox);
        const pod = this.#wanted.get(key);
        if (pod !== undefined) await this.#setUp(key, pod);
      } catch (error) {
        log.warn({ pod: key, error: String(error) }, 'Pod could not be brought up or down; trying again');
        await clock.sleep(retry.next(), this.#stop.signal).catch(() => undefined);
      }
    }
  }

  async #setUp(key: string, pod: Pod): Promise<void> {
    const { nodeName, namespace, plugin, cniConfig } = this.#options;
    const containerId = randomBytes(32).toString('hex');
    const path = `${namespaceFolder}/cni-${containerId.slice(0, 12)}`;
    const netns = createNamespace(path);
    const kernel = openKernel({ namespace: netns });
    raiseLoopback(kernel);
    kernel.close();
    const call: CniCall = {
      plugin,
      config: cniConfig,
      containerId,
      netns: path,
      podName: pod.metadata.name,
      podNamespace: pod.metadata.namespace ?? 'default',
      podUid: pod.metadata.uid ?? '',
      node: namespace,
    };
    let servers: PodServers | undefined;
    try {
      const started = performance.now();
      const result = await callCni('ADD', call);
      const addMs = performance.now() - started;
      const ips = (result.ips ?? []).map(ip => ip.address.split('/')[0] ?? '');
      servers = await servePod(pod, netns);
      this.#sandboxes.set(key, { pod, netns, ips, addMs, call, servers });
      await this.#reportRunning(pod, ips);
      this.#options.log.debug({ pod: key, node: nodeName, ips, addMs }, 'Pod runs');
    } catch (error) {
      servers?.stop();
      await callCni('DEL', call).catch(() => undefined);
      this.#sandboxes.delete(key);
      removeNamespace(netns, path);
      throw error;
    }
  }

  async #tearDown(key: string, sandbox: Sandbox): Promise<void> {
    sandbox.servers.stop();
    await callCni('DEL', sandbox.call);
    this.#sandboxes.delete(key);
    removeNamespace(sandbox.netns, sandbox.call.netns);
  }

  async #reportRunning(pod: Pod, ips: readonly string[]): Promise<void> {
    const now = new Date(this.#options.clock.wallTime()).toISOString().replace(/\.\d+Z$/, 'Z');
    const conditions = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(type => ({
      type,
      status: 'True',
      lastTransitionTime: now,
    }));
    const containerStatuses = (pod.spec.containers ?? []).map(container => ({
      name: container.name,
      image: container.image ?? '',
      imageID: '',
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: now } },
    }));
    const status = {
      phase: 'Running',
      hostIP: this.#options.nodeIp,
      podIP: ips[0] ?? '',
      podIPs: ips.map(ip => ({ ip })),
      startTime: now,
      conditions,
      containerStatuses,
    };
    const { name, namespace } = pod.metadata;
    const key = namespace === undefined ? { name } : { name, namespace };
    await this.#options.client
      .patch(Pod, key, { metadata: { uid: pod.metadata.uid }, status }, { type: 'merge', subresource: 'status' })
      .catch(ignoreNotFound);
  }

  /** A pod marked as deleted is removed for good: nothing in it needs time to end. */
  #finish(pod: Pod): void {
    const { name, namespace, uid } = pod.metadata;
    const key = namespace === undefined ? { name } : { name, namespace };
    this.#options.client
      .delete(Pod, key, { ...(uid === undefined ? {} : { uid }), gracePeriodSeconds: 0 })
      .catch(error => {
        if (!isNotFound(error)) this.#options.log.warn({ pod: name, error: String(error) }, 'Pod could not be removed');
      });
  }
}

function removeNamespace(netns: Namespace, path: string): void {
  netns.close();
  deleteNamespace(path);
}

function ignoreNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
  return undefined;
}

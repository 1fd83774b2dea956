import { createHash } from 'node:crypto';
import { Deployment, EndpointSlice, type Kind, Pod, type Resource, Service } from '@calico/api';
import {
  type Client,
  isAlreadyExists,
  isConflict,
  isNotFound,
  keyOf,
  printKey,
  startReflector,
} from '@calico/datastore';
import type { Logger } from '@calico/process';
import { type Clock, type Random, randomInt } from '@calico/reconcile';
import { planDeployment } from './deployments.ts';
import { planEndpointSlice } from './endpoint-slices.ts';

/** What the controllers work with. */
export interface ClusterControllerOptions {
  readonly client: Client;
  /** Names of the nodes that pods may be put on. */
  readonly nodes: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * What a Kubernetes control plane does for the lab: pods for Deployments, a node for every pod, endpoint slices for
 * Services. Everything is worked out anew from what is there; an error is met by the next look, a second later at most.
 */
export class ClusterControllers {
  readonly #options: ClusterControllerOptions;
  readonly #deployments = new Map<string, Deployment>();
  readonly #pods = new Map<string, Pod>();
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #dirty = false;

  constructor(options: ClusterControllerOptions) {
    this.#options = options;
  }

  /** Starts to watch and to work. */
  start(): void {
    this.#watch(Deployment, this.#deployments);
    this.#watch(Pod, this.#pods);
    this.#watch(Service, this.#services);
    this.#watch(EndpointSlice, this.#slices);
  }

  /** Ends the watches and waits for the work under way. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the controllers stop'));
    await this.#running;
  }

  #watch<R extends Resource>(kind: Kind<R>, into: Map<string, R>): void {
    const { client, clock, random, log } = this.#options;
    startReflector(
      client,
      kind,
      {
        onSync: items => {
          into.clear();
          for (const item of items) into.set(printKey(keyOf(item)), item);
          this.#wake();
        },
        onEvent: event => {
          const key = printKey(event.key);
          if (event.type === 'delete') into.delete(key);
          else into.set(key, event.object);
          this.#wake();
        },
      },
      { clock, random, log, signal: this.#stop.signal },
    );
  }

  /** Works until nothing has changed meanwhile. */
  #wake(): void {
    this.#dirty = true;
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
  }

  async #work(): Promise<void> {
    const { clock, log } = this.#options;
    while (this.#dirty && !this.#stop.signal.aborted) {
      this.#dirty = false;
      try {
        await this.#schedule();
        for (const deployment of this.#deployments.values()) await this.#runDeployment(deployment);
        for (const service of this.#services.values()) await this.#runService(service);
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error) && !isAlreadyExists(error)) {
          log.warn({ error: String(error) }, 'Cluster controllers failed; trying again');
          await clock.sleep(1_000, this.#stop.signal).catch(() => undefined);
        }
        this.#dirty = true;
      }
    }
  }

  /** Every pod without a node goes to the node that has the fewest, the first of them by name. */
  async #schedule(): Promise<void> {
    const load = new Map(this.#options.nodes.map(name => [name, 0]));
    for (const { spec } of this.#pods.values()) {
      const name = spec.nodeName;
      if (name !== undefined) load.set(name, (load.get(name) ?? 0) + 1);
    }
    for (const [key, pod] of this.#pods) {
      if (pod.spec.nodeName !== undefined || pod.metadata.deletionTimestamp !== undefined) continue;
      const [node] = [...load].sort(([, a], [, b]) => a - b);
      if (node === undefined) return;
      const scheduled = await this.#options.client.patch(
        Pod,
        keyOf(pod),
        { spec: { nodeName: node[0] } },
        { type: 'merge' },
      );
      this.#pods.set(key, scheduled);
      load.set(node[0], node[1] + 1);
    }
  }

  async #runDeployment(deployment: Deployment): Promise<void> {
    const { client, random } = this.#options;
    const namespace = deployment.metadata.namespace ?? 'default';
    const pods = [...this.#pods.values()].filter(pod => pod.metadata.namespace === namespace);
    const plan = planDeployment(deployment, pods, shortHash, () => randomSuffix(random));
    for (const pod of plan.create) {
      const created = await client.create(Pod, pod);
      this.#pods.set(printKey(keyOf(created)), created);
    }
    for (const name of plan.remove) {
      await client.delete(Pod, { namespace, name });
      this.#pods.delete(`${namespace}/${name}`);
    }
    if (JSON.stringify(deployment.status ?? {}) !== JSON.stringify(plan.status)) {
      const updated = await client.patch(
        Deployment,
        keyOf(deployment),
        { status: plan.status },
        { type: 'merge', subresource: 'status' },
      );
      // What the server stored may order its fields in another way: remember it as we mean it.
      this.#deployments.set(printKey(keyOf(deployment)), { ...updated, status: plan.status } as Deployment);
    }
  }

  async #runService(service: Service): Promise<void> {
    const namespace = service.metadata.namespace ?? 'default';
    const pods = [...this.#pods.values()].filter(pod => pod.metadata.namespace === namespace);
    const slice = planEndpointSlice(service, pods);
    if (slice === undefined) return;
    const key = printKey(keyOf(slice));
    const present = this.#slices.get(key);
    if (present === undefined) this.#slices.set(key, await this.#options.client.create(EndpointSlice, slice));
    else if (!sameSlice(present, slice)) {
      const changes = { endpoints: slice.endpoints, ports: slice.ports };
      this.#slices.set(key, await this.#options.client.patch(EndpointSlice, keyOf(slice), changes, { type: 'merge' }));
    }
  }
}

function sameSlice(a: EndpointSlice, b: EndpointSlice): boolean {
  return JSON.stringify([a.endpoints, a.ports]) === JSON.stringify([b.endpoints, b.ports]);
}

/** Letters and digits that can't form words, as Kubernetes uses for names. */
const nameCharacters = 'bcdfghjklmnpqrstvwxz2456789';

function randomSuffix(random: Random): string {
  return Array.from({ length: 5 }, () => nameCharacters[randomInt(random, nameCharacters.length)] ?? 'b').join('');
}

function shortHash(template: unknown): string {
  const digest = createHash('sha256').update(JSON.stringify(template)).digest();
  return [...digest.subarray(0, 9)].map(byte => nameCharacters[byte % nameCharacters.length] ?? 'b').join('');
}

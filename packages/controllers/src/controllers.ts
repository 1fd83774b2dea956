import type { RunConfig } from './config/run-config.ts';
import type { ControllerContext } from './context.ts';
import { startCopying } from './copies/copy-controller.ts';
import { NAMESPACES, POLICIES, SERVICE_ACCOUNTS } from './copies/kinds.ts';
import { startWorkloadEndpointUpdates } from './copies/workload-endpoints.ts';
import { startIpamGarbageCollector } from './ipam-gc/garbage-collector.ts';
import { startLoadBalancer } from './load-balancer/controller.ts';
import { isSeparate } from './nodes/directory.ts';
import { startHostEndpoints } from './nodes/host-endpoints.ts';
import { startNodeSync } from './nodes/label-sync.ts';
import { startNetworkConditions } from './nodes/network-condition.ts';
import { startPoolController } from './pools/pool-controller.ts';
import { startTierController } from './tiers/tier-controller.ts';
import type { WorkQueue } from './work-queue.ts';

/** Controllers at work. */
export interface RunningControllers {
  /** What goes wrong at the moment, in words; empty when all is well. */
  troubles(): string[];
  /** Resolves after the signal, when nothing is under way any more; rejects when one ended by a fault of its own. */
  readonly done: Promise<void>;
}

/** Starts the controllers that the configuration wants. */
export function startControllers(context: ControllerContext, config: RunConfig): RunningControllers {
  const queues: WorkQueue[] = [];
  const { signal } = context;
  const ended = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()));
  const { node, policy, namespace, serviceAccount, workloadEndpoint, loadBalancer } = config;
  if (node !== undefined) {
    queues.push(
      ...startIpamGarbageCollector(context, node),
      startHostEndpoints(context, node),
      startNetworkConditions(context),
    );
  }
  if (loadBalancer !== undefined) queues.push(startLoadBalancer(context, loadBalancer));
  if (isSeparate(context.stores)) {
    // On Kubernetes these are read as they are.
    if (node !== undefined) queues.push(startNodeSync(context, node));
    if (policy !== undefined) queues.push(startCopying(context, policy, POLICIES));
    if (namespace !== undefined) queues.push(startCopying(context, namespace, NAMESPACES));
    if (serviceAccount !== undefined) queues.push(startCopying(context, serviceAccount, SERVICE_ACCOUNTS));
    if (workloadEndpoint !== undefined) queues.push(startWorkloadEndpointUpdates(context, workloadEndpoint));
  }
  if (context.finalizers) queues.push(startPoolController(context), startTierController(context));
  return {
    troubles: () => [
      ...context.views.troubles,
      ...queues.flatMap(queue => [...queue.errors].map(([key, err]) => `${queue.name} ${key}: ${messageOf(err)}`)),
    ],
    done: Promise.all([ended, context.views.done, ...queues.map(queue => queue.done)]).then(() => undefined),
  };
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}

import type { Addr, Mac } from '@calico/ip';
import { type CniCall, logFields } from './cni-call.ts';
import type { CniDeps } from './deps.ts';
import { endpointOf, ensureProfile } from './endpoint-of.ts';
import type { NetworkConfig } from './network-config.ts';
import type { ContainerView } from './read-container.ts';
import type { Undo } from './undo.ts';

/** Takes work that goes on after the answer. */
export type Later = (work: Promise<void>) => void;

/**
 * Tells Felix and everybody: the endpoint's rules and routes go into the kernel while the datastore takes it. With `later` what gives
 * it to the datastore is still to be called, once nothing can fail any more; a pod that it does not take is told to the log, and
 * noted by its kubelet.
 */
export async function publish(
  deps: CniDeps,
  call: CniCall,
  config: NetworkConfig,
  { pod, entry }: ContainerView,
  made: { readonly addresses: readonly Addr[]; readonly mac: Mac | undefined; readonly hadLink: boolean },
  undo: Undo,
  later: boolean,
): Promise<() => Promise<void>> {
  const { felix } = deps;
  const endpoint = endpointOf(deps, call, pod, made.addresses, made.mac);
  // Felix may know the endpoint from an earlier container, with an interface that is gone: then it has to start anew.
  if (made.hadLink || entry.containerId !== '') await felix.endpointRemoved(endpoint);
  undo.add(() => felix.endpointRemoved(endpoint));
  undo.add(() => entry.clear());
  const wait =
    config.policyTimeoutMs === undefined
      ? undefined
      : { timeoutMs: config.policyTimeoutMs, statusFolder: config.statusFolder };
  const noted = later ? undefined : entry.write(endpoint);
  const results = await Promise.allSettled([
    withinPolicyTimeout(deps, call, config, felix.endpointAdded(endpoint, wait)),
    noted,
    deps.datastoreType === 'etcdv3' && !config.kubernetesPolicy ? ensureProfile(deps, call) : undefined,
  ]);
  const failure = results.find(({ status }) => status === 'rejected');
  if (failure?.status === 'rejected') throw failure.reason;
  return async () => {
    try {
      await entry.write(endpoint);
    } catch (err) {
      deps.log.warn({ ...logFields(call), err }, 'The address of a started pod could not be noted in its status');
      felix.endpointNotNoted(endpoint);
    }
  };
}

/** With `policy_setup_timeout_seconds` the pod starts after that time even without its rules, as in Calico. */
async function withinPolicyTimeout(
  { clock, log }: CniDeps,
  call: CniCall,
  { policyTimeoutMs }: NetworkConfig,
  ready: Promise<void>,
): Promise<void> {
  if (policyTimeoutMs === undefined) return await ready;
  const timeout = Promise.withResolvers<void>();
  const timer = clock.setTimeout(() => {
    log.warn({ ...logFields(call), policyTimeoutMs }, 'Rules and routes are not in the kernel in time; the pod starts');
    timeout.resolve();
  }, policyTimeoutMs);
  try {
    await Promise.race([ready, timeout.promise]);
  } finally {
    timer.cancel();
    ready.catch(err => log.warn({ ...logFields(call), err }, 'Rules and routes of a started pod were refused'));
  }
}

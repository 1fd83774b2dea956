import { ClusterInformation, Namespace } from '@calico/api';
import { DatastoreError, isConflict, isNotFound, isOutcomeUnknown, isTransient } from '@calico/datastore';
import { hostCidr } from '@calico/ip';
import { isIpamError } from '@calico/ipam';
import { addPod, logFields } from './add-pod.ts';
import { checkPod } from './check-pod.ts';
import { type CniCall, readCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import { deletePod } from './delete-pod.ts';
import type { CniDeps } from './deps.ts';
import { collectGarbage } from './garbage.ts';
import { releaseHandle } from './ipam.ts';
import { KeyedMutex } from './keyed-mutex.ts';
import { LinkTrash } from './link-trash.ts';
import { parseNetworkConfig } from './network-config.ts';
import { assignAddresses } from './pod-addresses.ts';
import type { CniAnswer, CniFailure, CniRequest } from './protocol.ts';
import { renderResult } from './result.ts';

/** Does one call of the plugin; never rejects. */
export type CniHandler = (request: CniRequest) => Promise<CniAnswer>;

/**
 * The work behind both CNI plugins, for one node. Calls of one container, and of one pod, are done one after the other,
 * all others side by side.
 */
export function createCniHandler(deps: CniDeps): CniHandler {
  const mutex = new KeyedMutex();
  const trash = new LinkTrash(deps.kernel, deps.clock, deps.log);
  return async request => {
    try {
      const call = readCall(request);
      return { output: await mutex.run(keysOf(call), () => perform(deps, trash, request, call)) };
    } catch (error) {
      const failure = failureOf(error);
      const { command, parameters } = request;
      deps.log.warn(
        { command, containerId: parameters.containerId, code: failure.code, err: error },
        'CNI call failed',
      );
      return { error: failure };
    }
  };
}

function keysOf({ handle, pod, parameters }: CniCall): string[] {
  if (parameters.containerId === '') return [];
  return [`container ${handle}`, ...(pod === undefined ? [] : [`pod ${pod.namespace}/${pod.name}`])];
}

/** What the plugin prints; null for nothing. */
async function perform(
  deps: CniDeps,
  trash: LinkTrash,
  { plugin, command }: CniRequest,
  call: CniCall,
): Promise<object | null> {
  const whole = plugin === 'calico';
  switch (command) {
    case 'ADD':
      return await (whole ? addPod(deps, trash, call) : addAddresses(deps, call));
    case 'DEL':
      await (whole ? deletePod(deps, trash, call) : releaseHandle(deps.ipam, call.handle));
      return null;
    case 'CHECK':
      await (whole ? checkPod(deps, call) : checkAddresses(deps, call));
      return null;
    case 'GC':
      if (whole) await collectGarbage(deps, trash, call);
      return null;
    case 'STATUS':
      await checkReady(deps);
      return null;
  }
}

/** ADD of the IPAM plugin alone: addresses, no interface. */
async function addAddresses(deps: CniDeps, call: CniCall): Promise<object> {
  const config = parseNetworkConfig(call.config, deps.nodeName);
  try {
    const [held, labels] = await Promise.all([deps.ipam.addressesByHandle(call.handle), namespaceLabels(deps, call)]);
    const addresses = await assignAddresses(deps, call, config, held, labels);
    return renderResult(config.cniVersion, { addresses: addresses.map(hostCidr) });
  } catch (error) {
    await releaseHandle(deps.ipam, call.handle).catch(err =>
      deps.log.warn({ ...logFields(call), err }, 'Addresses of a failed ADD could not be released'),
    );
    throw error;
  }
}

async function namespaceLabels({ client }: CniDeps, { pod }: CniCall): Promise<Record<string, string>> {
  if (pod === undefined) return {};
  try {
    return (await client.get(Namespace, { name: pod.namespace })).metadata.labels ?? {};
  } catch (error) {
    if (isNotFound(error)) return {};
    throw error;
  }
}

async function checkAddresses({ ipam }: CniDeps, { handle }: CniCall): Promise<void> {
  if ((await ipam.addressesByHandle(handle)).length > 0) return;
  throw new CniError(errorCodes.internal, `Cannot CHECK addresses: handle "${handle}" has none`);
}

/** Throws CniError 50 when an ADD could not succeed now. CNI specification 1.1.0, "STATUS". */
async function checkReady({ client }: CniDeps): Promise<void> {
  let reason: string | undefined;
  try {
    const { spec } = await client.get(ClusterInformation, { name: 'default' });
    if (spec.datastoreReady === false) reason = 'ClusterInformation "default" says datastoreReady is false';
  } catch (error) {
    if (!isNotFound(error)) reason = error instanceof Error ? error.message : String(error);
  }
  if (reason !== undefined)
    throw new CniError(errorCodes.notAvailable, 'The node agent cannot set up pods now', reason);
}

/** An error as the runtime sees it: 11 where trying again may help, Calico's 999 for the rest. */
function failureOf(error: unknown): CniFailure {
  if (error instanceof CniError) {
    const { code, message, details } = error;
    return { code, msg: message, ...(details === undefined ? {} : { details }) };
  }
  const msg = error instanceof Error ? error.message : String(error);
  const passing =
    (error instanceof DatastoreError && (isTransient(error) || isConflict(error) || isOutcomeUnknown(error))) ||
    isIpamError(error, 'TooManyRetries') ||
    isIpamError(error, 'Conflict');
  return { code: passing ? errorCodes.tryAgainLater : errorCodes.internal, msg };
}

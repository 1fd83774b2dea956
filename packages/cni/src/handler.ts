import { ClusterInformation, Namespace } from '@calico/api';
import { DatastoreError, isConflict, isNotFound, isOutcomeUnknown, isTransient } from '@calico/datastore';
import { type Addr, hostCidr, parseAddr } from '@calico/ip';
import { isIpamError } from '@calico/ipam';
import { addNetwork } from './add-network.ts';
import { checkNetwork } from './check-network.ts';
import { type CniCall, logFields, readCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import { containerArgs } from './container-args.ts';
import { delegateFor } from './delegated-config.ts';
import { deleteNetwork } from './delete-network.ts';
import type { CniDeps } from './deps.ts';
import { collectAddresses, collectGarbage } from './garbage.ts';
import { releaseHandle } from './ipam.ts';
import { KeyedMutex } from './keyed-mutex.ts';
import { LinkTrash } from './link-trash.ts';
import { parseNetworkConfig } from './network-config.ts';
import { assignAddresses } from './pod-addresses.ts';
import { wishOf } from './pod-annotations.ts';
import type { CniAnswer, CniDelegate, CniFailure, CniRequest } from './protocol.ts';
import type { Later } from './publish.ts';
import { renderResult } from './result.ts';

/** Does one call of the plugin; never rejects. */
export type CniHandler = (request: CniRequest) => Promise<CniAnswer>;

/**
 * The work behind both CNI plugins, for one node. Calls of one container, and of one pod, are done one after the other,
 * all others side by side.
 * @param trash where interfaces go; one of its own unless given
 */
export function createCniHandler(
  deps: CniDeps,
  trash: LinkTrash = new LinkTrash(deps.kernel, deps.clock, deps.log),
): CniHandler {
  const mutex = new KeyedMutex();
  return async request => {
    try {
      const call = readCall(request);
      const answer = Promise.withResolvers<CniAnswer>();
      // The next call about the same waits for what this one has under way after its answer.
      const done = mutex.run(keysOf(call), async () => {
        const late: Promise<void>[] = [];
        answer.resolve(await perform(deps, trash, call, deps.late && (work => late.push(work))));
        await Promise.all(late);
      });
      done.catch(answer.reject);
      deps.late?.add(done);
      return await answer.promise;
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

/** Whatever works on the same names in the kernel, or with the same handle. */
function keysOf({ handle, workload, parameters }: CniCall): string[] {
  return parameters.containerId === '' ? [] : [`handle ${handle}`, `link ${workload.hostName}`];
}

/** What the plugin prints, null for nothing, and which IPAM plugin it has to run. */
async function perform(
  deps: CniDeps,
  trash: LinkTrash,
  call: CniCall,
  later: Later | undefined,
): Promise<Exclude<CniAnswer, { error: unknown }>> {
  if (call.plugin === 'calico-ipam') return { output: await performIpam(deps, call) };
  const delegate = await delegateOfCall(deps, call);
  const answer = (output: object | null) => (delegate === undefined ? { output } : { output, delegate });
  switch (call.command) {
    case 'ADD':
      if (delegate !== undefined) return answer(null);
      return { output: await addNetwork(deps, trash, call, later) };
    case 'DEL':
      await deleteNetwork(deps, trash, call, later);
      return answer(null);
    case 'CHECK':
      await checkNetwork(deps, call);
      return answer(null);
    case 'GC':
      await collectGarbage(deps, trash, call);
      return answer(null);
    case 'STATUS':
      await checkReady(deps);
      return answer(null);
  }
}

/** A DEL goes on with what it finds in a configuration that cannot be used. */
async function delegateOfCall(deps: CniDeps, call: CniCall): Promise<CniDelegate | undefined> {
  if (call.command === 'STATUS' || call.delegated !== undefined) return undefined;
  try {
    return await delegateFor(deps, call);
  } catch (error) {
    if (call.command !== 'DEL' || !(error instanceof CniError)) throw error;
    deps.log.warn({ ...logFields(call), err: error }, 'No IPAM plugin is asked to release addresses');
    return undefined;
  }
}

/** The IPAM plugin alone: addresses, no interface. */
async function performIpam(deps: CniDeps, call: CniCall): Promise<object | null> {
  switch (call.command) {
    case 'ADD':
      return await addAddresses(deps, call);
    case 'DEL':
      await releaseHandle(deps.ipam, call.handle);
      return null;
    case 'CHECK':
      await checkAddresses(deps, call);
      return null;
    case 'GC':
      await collectAddresses(deps, call);
      return null;
    case 'STATUS':
      await checkReady(deps);
      return null;
  }
}

async function addAddresses(deps: CniDeps, call: CniCall): Promise<object> {
  const config = parseNetworkConfig(call.config, deps);
  try {
    const container = await readOwner(deps, call);
    const wish = wishOf(undefined, container, config);
    const owner = { namespaceLabels: container?.metadata.labels ?? {}, earlier: '' };
    const addresses = await assignAddresses(deps, call, { ...wish, exact: wish.exact ?? wantedAddress(call) }, owner);
    return renderResult(config.cniVersion, { addresses: addresses.map(hostCidr) });
  } catch (error) {
    await releaseHandle(deps.ipam, call.handle).catch(err =>
      deps.log.warn({ ...logFields(call), err }, 'Addresses of a failed ADD could not be released'),
    );
    throw error;
  }
}

/** The namespace of a pod, where there is an API to ask. */
async function readOwner({ kubernetes }: CniDeps, { workload }: CniCall): Promise<Namespace | undefined> {
  if (workload.pod === undefined || kubernetes === undefined) return undefined;
  try {
    return await kubernetes.get(Namespace, { name: workload.pod.namespace });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The address that CNI_ARGS asks for by `IP=`, as Calico's IPAM plugin takes it. */
function wantedAddress({ parameters }: CniCall): Addr[] | undefined {
  const text = containerArgs(parameters.args).get('IP');
  if (text === undefined || text === '') return undefined;
  const address = parseAddr(text);
  if (address !== undefined) return [address];
  throw new CniError(errorCodes.invalidEnvironment, `Cannot read CNI_ARGS: IP is "${text}"; allowed: an address`);
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

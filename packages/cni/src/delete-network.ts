import { afterThisTurn } from './after-this-turn.ts';
import { type CniCall, logFields, ownerMark } from './cni-call.ts';
import type { CniDeps } from './deps.ts';
import type { EndpointEntry } from './endpoint-entry.ts';
import { releaseHandle } from './ipam.ts';
import type { LinkTrash } from './link-trash.ts';
import { Phases } from './phases.ts';
import { discardHostEnd, discardPodEnd } from './pod-links.ts';
import { openPodNamespace } from './pod-place.ts';
import type { Later } from './publish.ts';
import { endpointKey, findEntry } from './read-container.ts';

/**
 * Takes a container's network away: its interface, its endpoint unless a newer container of the pod has it, its addresses.
 * Succeeds when nothing is left, and whatever the rest of the network configuration says. `later` gets what goes on: the handle
 * of addresses that are free already.
 */
export async function deleteNetwork(deps: CniDeps, trash: LinkTrash, call: CniCall, later?: Later): Promise<void> {
  const phases = new Phases(deps.clock, name => deps.onPhase?.(`DEL ${name}`));
  const read = findEntry(deps, call);
  read.catch(() => undefined);
  discardLinks(deps, trash, call);
  phases.mark('veth');
  const clear = await removeEndpoint(deps, call, await read);
  phases.mark('endpoint');
  // Both at once: the node sends nothing to the address any more.
  const ends = await Promise.allSettled([clear(), release(deps, call, later)]);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  phases.mark('ipam');
  deps.log.debug({ ...logFields(call), ...phases.spans }, 'Deleted pod network');
}

/** Resolves when the addresses are nobody's; with `later` the handle goes after that, else before. */
async function release({ ipam, log }: CniDeps, call: CniCall, later: Later | undefined): Promise<void> {
  if (later === undefined) return await releaseHandle(ipam, call.handle);
  const freed = Promise.withResolvers<'freed'>();
  const done = releaseHandle(ipam, call.handle, () => {
    freed.resolve('freed');
    return afterThisTurn();
  });
  if ((await Promise.race([freed.promise, done])) !== 'freed') return;
  later(
    done.catch(err =>
      log.warn(
        { ...logFields(call), err, handle: call.handle },
        'The handle of released addresses could not be deleted; kube-controllers does it',
      ),
    ),
  );
}

/** Interfaces of this container only: a newer container of the same pod has the same names. */
function discardLinks(deps: CniDeps, trash: LinkTrash, call: CniCall): void {
  const mark = ownerMark(call);
  if (discardHostEnd(deps.kernel, call.workload.hostName, trash, mark)) return;
  const podNamespace = openPodNamespace(deps, call.parameters.netns);
  if (podNamespace === undefined) return;
  try {
    const podKernel = deps.openKernel(podNamespace);
    discardPodEnd(deps.kernel, podKernel, call.parameters.ifname, trash, mark);
    podKernel.close();
  } finally {
    podNamespace.close();
  }
}

/** Takes the endpoint's rules and routes away, unless a newer container has it; gives what clears its note. */
async function removeEndpoint(
  deps: CniDeps,
  call: CniCall,
  entry: EndpointEntry | undefined,
): Promise<() => Promise<void>> {
  const container = entry?.containerId ?? '';
  if (container !== '' && container !== call.parameters.containerId) {
    deps.log.debug({ ...logFields(call), container }, 'Kept the endpoint: a newer container has it');
    return async () => {};
  }
  await deps.felix.endpointRemoved({ metadata: endpointKey(deps, call) }, call.parameters.containerId);
  return async () => await entry?.clear();
}

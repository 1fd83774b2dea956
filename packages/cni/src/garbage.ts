import { IPAMBlock, WorkloadEndpoint } from '@calico/api';
import { isNotFound, keyOf } from '@calico/datastore';
import { attachmentMark, type CniCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniDeps } from './deps.ts';
import { releaseHandle } from './ipam.ts';
import type { LinkTrash } from './link-trash.ts';

const VALID_FIELD = 'cni.dev/valid-attachments';

/**
 * Takes away the interfaces on this node, and the addresses behind them, of containers of a network that the runtime no
 * longer knows; their endpoints go with their pods. CNI specification 1.1.0, "GC". Throws CniError 7 without a valid list.
 */
export async function collectGarbage(deps: CniDeps, trash: LinkTrash, call: CniCall): Promise<void> {
  const { config, network } = call;
  const valid = validMarks(config[VALID_FIELD], network);
  const stale = deps.kernel.links().filter(({ kind, alias }) => {
    return kind === 'veth' && alias?.startsWith(`${network}/`) && !valid.has(alias);
  });
  for (const link of stale) {
    const [, containerId = ''] = link.alias?.split('/') ?? [];
    deps.log.info({ containerId, link: link.name }, 'Took away the interface of a container that is gone');
    trash.discard(link);
    await releaseHandle(deps.ipam, `${network}.${containerId}`);
    if (deps.datastoreType === 'etcdv3') await collectEndpoints(deps, containerId);
  }
  await collectAddresses(deps, call);
}

/** Endpoints that are objects of their own go with their container; those of pods are part of the pod. */
async function collectEndpoints({ client, felix, nodeName }: CniDeps, containerId: string): Promise<void> {
  const { items } = await client.list(WorkloadEndpoint);
  for (const endpoint of items.filter(({ spec }) => spec.node === nodeName && spec.containerID === containerId)) {
    await felix.endpointRemoved(endpoint);
    await client.delete(WorkloadEndpoint, keyOf(endpoint)).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

/**
 * Names of networks and containers may hold dots, so `a.b.c` may be container `b.c` of network `a` or container `c` of network
 * `a.b`: the former is left alone. Virtual machines have `<network>.vmi.<namespace>.<name>`.
 */
function isOfContainer(handle: string | null | undefined, network: string): handle is string {
  return handle?.startsWith(`${network}.`) === true && !handle.slice(network.length + 1).includes('.');
}

/** Releases the addresses that this node holds for containers of a network that the runtime no longer knows. */
export async function collectAddresses(
  { client, ipam, nodeName, log }: CniDeps,
  { config, network }: CniCall,
): Promise<void> {
  const valid = new Set([...validMarks(config[VALID_FIELD], network)].map(mark => `${network}.${mark.split('/')[1]}`));
  const { items } = await client.list(IPAMBlock);
  const handles = items.flatMap(({ spec }) =>
    spec.attributes.flatMap(({ handle_id: handle, secondary }) =>
      isOfContainer(handle, network) && secondary?.node === nodeName && !valid.has(handle) ? handle : [],
    ),
  );
  for (const handle of new Set(handles)) {
    log.info({ handle }, 'Released the addresses of a container that is gone');
    await releaseHandle(ipam, handle);
  }
}

function validMarks(value: unknown, network: string): Set<string> {
  const refuse = (): CniError =>
    new CniError(
      errorCodes.invalidConfig,
      `Cannot GC network: ${VALID_FIELD} is ${JSON.stringify(value)}; allowed: a list of {containerID, ifname}`,
    );
  if (!Array.isArray(value)) throw refuse();
  const marks = value.map((attachment: unknown) => {
    const { containerID, ifname } = (attachment ?? {}) as { containerID?: unknown; ifname?: unknown };
    if (typeof containerID !== 'string' || typeof ifname !== 'string') throw refuse();
    return attachmentMark(network, containerID, ifname);
  });
  return new Set(marks);
}

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
export async function collectGarbage(deps: CniDeps, trash: LinkTrash, { config, network }: CniCall): Promise<void> {
  const valid = validMarks(config[VALID_FIELD], network);
  const stale = deps.kernel.links().filter(({ kind, alias }) => {
    return kind === 'veth' && alias?.startsWith(`${network}/`) && !valid.has(alias);
  });
  for (const link of stale) {
    const [, containerId = ''] = link.alias?.split('/') ?? [];
    deps.log.info({ containerId, link: link.name }, 'Took away the interface of a container that is gone');
    trash.discard(link);
    await releaseHandle(deps.ipam, `${network}.${containerId}`);
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

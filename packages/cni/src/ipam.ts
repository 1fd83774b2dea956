import type { Ipam } from '@calico/ipam';
import { isIpamError } from '@calico/ipam';

/** What the CNI server needs of IPAM. */
export type CniIpam = Pick<Ipam, 'autoAssign' | 'assignIp' | 'addressesByHandle' | 'releaseByHandle' | 'releaseIps'>;

/** Releases all addresses of a handle; without such a handle nothing happens. `onFreed` is told when only the handle is left, and waited for. */
export async function releaseHandle(
  ipam: Pick<CniIpam, 'releaseByHandle'>,
  handle: string,
  onFreed?: () => void | Promise<void>,
): Promise<void> {
  try {
    await ipam.releaseByHandle(handle, onFreed);
  } catch (error) {
    if (!isIpamError(error, 'NotFound')) throw error;
  }
}

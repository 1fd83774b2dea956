import { readFileSync } from 'node:fs';
import { ClusterInformation } from '@calico/api';
import { type Addr, parseAddr, printAddr } from '@calico/ip';
import { type Ipam, isIpamError, type ReleaseRequest } from '@calico/ipam';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { takeInventory, usedAddresses } from '../ipam/inventory.ts';
import { mergeReports, parseReport, type Report, type ReportedHandle } from '../ipam/report.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { CtlStore } from '../store.ts';
import type { World } from '../world.ts';

/** Flags of `ipam release`. */
export interface IpamReleaseFlags extends ConnectionFlags {
  readonly ip?: string;
  readonly fromReport?: readonly string[];
  readonly force?: boolean;
}

/** `calicoctl ipam release`: gives back one address, or all that reports of `ipam check` call unused; never one in use. */
export async function runIpamRelease(flags: IpamReleaseFlags, world: World): Promise<void> {
  const { ip, fromReport = [], force = false } = flags;
  const address = ip === undefined ? undefined : parseAddr(ip);
  if (ip !== undefined && address === undefined) throw new Failure(`--ip is "${ip}"; allowed: an IP address`);
  if (address === undefined && fromReport.length === 0) {
    throw new Failure('Cannot release: neither --ip nor --from-report is given; allowed: one of them');
  }
  const reports = fromReport.map(path => parseReport(readFileSync(path, 'utf8'), path));
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  try {
    const ipam = await store.openIpam();
    if (address !== undefined) await releaseOne(store, ipam, address, force, world);
    else await releaseReported(store, ipam, { reports, paths: fromReport, force }, world);
  } catch (err) {
    if (err instanceof Failure) throw err;
    throw new Failure(errorText(err));
  }
}

async function releaseOne(store: CtlStore, ipam: Ipam, address: Addr, force: boolean, world: World): Promise<void> {
  const text = printAddr(address);
  const owners = await ownersOf(store, text);
  if (owners.length > 0 && !force) {
    throw new Failure(
      `Cannot release ${text}: it is in use by ${owners.join(', ')}; delete that first, or use --force`,
    );
  }
  const unallocated = await ipam.releaseIps([{ address }]);
  if (unallocated.length > 0) throw new Failure(`IP address ${text} is not assigned`);
  world.out(`Successfully released IP address ${text}\n`);
}

async function releaseReported(
  store: CtlStore,
  ipam: Ipam,
  given: { readonly reports: readonly Report[]; readonly paths: readonly string[]; readonly force: boolean },
  world: World,
): Promise<void> {
  await checkReports(store, given, world);
  const { addresses, handles } = mergeReports(given.reports);
  // Looked at once more: an address may have come into use since.
  const used = new Set(usedAddresses(await takeInventory(store)).map(({ address }) => address));
  const requests = addresses.flatMap(({ ip, handle, sequenceNumber }): ReleaseRequest[] => {
    const address = parseAddr(ip);
    if (address === undefined || used.has(printAddr(address))) return [];
    return [
      {
        address,
        ...(handle === undefined ? {} : { handle }),
        ...(sequenceNumber === undefined ? {} : { sequenceNumber: BigInt(sequenceNumber) }),
      },
    ];
  });
  const skipped = addresses.length - requests.length;
  if (skipped > 0) world.out(`${skipped} addresses marked as leaked in the report are in use now, and are kept.\n`);
  const failed = [await releaseAddresses(ipam, requests, world), await settleHandles(ipam, handles, world)];
  if (failed.includes(true))
    throw new Failure('Not everything in the report was released; make a new one and try again');
}

/** Throws a Failure when the reports are not of this cluster as it is. */
async function checkReports(
  { client }: CtlStore,
  {
    reports,
    paths,
    force,
  }: { readonly reports: readonly Report[]; readonly paths: readonly string[]; readonly force: boolean },
  world: World,
): Promise<void> {
  const { metadata, spec } = await client.get(ClusterInformation, { name: 'default' });
  for (const [i, report] of reports.entries()) {
    const path = paths[i] ?? '';
    if ((spec.clusterGUID ?? '') !== report.clusterGUID) {
      throw new Failure(
        `cluster does not match the provided report (${path}): mismatched cluster GUID. Refusing to release`,
      );
    }
    if (world.version === report.version) continue;
    if (!force) {
      throw new Failure(
        `the provided report (${path}) was produced using a different version (${report.version}) of calicoctl. Refusing to release`,
      );
    }
    world.out('WARNING: Report was produced using a different version of calicoctl. Ignoring due to --force option\n');
  }
  if (!reports.some(report => report.clusterInformationRevision === (metadata.resourceVersion ?? ''))) {
    throw new Failure(
      'the provided reports are all stale - at least one should be up-to-date. Please generate a new report while the data store is locked and try again',
    );
  }
  if (spec.datastoreReady === false) return;
  if (!force) throw new Failure('data store is not locked. Either lock the data store, or re-run with --force');
  world.out('WARNING: Data store is not locked. Ignoring due to --force option\n');
}

/** Gives true when some could not be released. */
async function releaseAddresses(ipam: Ipam, requests: readonly ReleaseRequest[], world: World): Promise<boolean> {
  if (requests.length === 0) {
    world.out("Report didn't contain any leaked IPs to clean up.\n");
    return false;
  }
  world.out(`Releasing ${requests.length} old IPs...\n`);
  try {
    const unallocated = await ipam.releaseIps(requests);
    world.out(`Released ${requests.length - unallocated.length} IPs successfully\n`);
    if (unallocated.length > 0) {
      world.out(`${unallocated.length} addresses marked as leaked in the report had already been cleaned up.\n`);
    }
    return false;
  } catch (err) {
    world.out(
      `An error occurred while releasing some IPs: ${errorText(err)}.  Problems are often caused by an out-of-date IPAM report.  Try regenerating the IPAM report and retry.\n`,
    );
    return true;
  }
}

/** A handle without addresses is made to count what it has, which is nothing unless it came into use: then it stays. */
async function settleHandles(ipam: Ipam, handles: readonly ReportedHandle[], world: World): Promise<boolean> {
  if (handles.length === 0) {
    world.out("Report didn't contain any handles to clean up.\n");
    return false;
  }
  world.out(`Deleting ${handles.length} handles...\n`);
  let [released, skipped, errors] = [0, 0, 0];
  for (const { ID } of handles) {
    try {
      await ipam.settleHandle(ID);
      if ((await ipam.addressesByHandle(ID)).length > 0) skipped++;
      else released++;
    } catch (err) {
      if (isIpamError(err, 'NotFound')) skipped++;
      else {
        errors++;
        world.out(`Deleting handle ${ID} failed: ${errorText(err)}.\n`);
      }
    }
  }
  world.out(`Released ${released} handles; ${skipped} skipped; ${errors} errors.\n`);
  return errors > 0;
}

async function ownersOf(store: CtlStore, address: string): Promise<string[]> {
  return usedAddresses(await takeInventory(store)).flatMap(each => (each.address === address ? each.owner : []));
}

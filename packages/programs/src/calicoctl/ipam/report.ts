import { parseJson, printJson } from '@calico/api';
import { printAddr } from '@calico/ip';
import { type Allocation, allocationsOf, WINDOWS_RESERVED_HANDLE } from '@calico/ipam';
import { Failure } from '../failure.ts';
import { type Inventory, usedAddresses } from './inventory.ts';

/** One allocated address in a report of `ipam check`, by Calico's field names. */
export interface ReportedAllocation {
  readonly ip: string;
  readonly handle?: string;
  readonly sequenceNumber?: number | bigint;
  readonly pod?: string;
  readonly namespace?: string;
  readonly node?: string;
  readonly type?: string;
  readonly creationTimestamp?: string;
  readonly inUse: boolean;
  readonly borrowed?: boolean;
  readonly coolingDown?: boolean;
  readonly owners: readonly string[] | null;
}

/** A handle that no address has. */
export interface ReportedHandle {
  readonly ID: string;
  readonly UID: string | null;
  readonly Revision: string;
}

/** What `ipam check -o` writes and `ipam release --from-report` reads. */
export interface Report {
  readonly version: string;
  readonly clusterGUID: string;
  readonly datastoreLocked: boolean;
  readonly clusterInformationRevision: string;
  readonly clusterType: string;
  readonly allocations: Readonly<Record<string, readonly ReportedAllocation[]>>;
  readonly leakedHandles?: readonly ReportedHandle[];
}

/** The report of an inventory. Pure. */
export function makeReport(inventory: Inventory, version: string): Report {
  const owners = Map.groupBy(usedAddresses(inventory), ({ address }) => address);
  const allocations: Record<string, ReportedAllocation[]> = {};
  const handles = new Set<string>();
  for (const allocation of inventory.blocks.flatMap(allocationsOf)) {
    const used = (owners.get(printAddr(allocation.address)) ?? []).map(({ owner }) => owner);
    const reported = reportAllocation(allocation, used);
    if (reported.handle !== undefined) handles.add(reported.handle.toLowerCase());
    const all = allocations[reported.ip] ?? [];
    allocations[reported.ip] = all;
    all.push(reported);
  }
  const leaked = inventory.handles
    .filter(({ spec }) => !handles.has(spec.handleID.toLowerCase()))
    .map(({ metadata, spec }) => ({
      ID: spec.handleID,
      UID: metadata.uid ?? null,
      Revision: metadata.resourceVersion ?? '',
    }));
  const { metadata, spec } = inventory.cluster;
  return {
    version,
    clusterGUID: spec.clusterGUID ?? '',
    datastoreLocked: spec.datastoreReady === false,
    clusterInformationRevision: metadata.resourceVersion ?? '',
    clusterType: spec.clusterType ?? '',
    allocations,
    ...(leaked.length > 0 ? { leakedHandles: leaked } : {}),
  };
}

function reportAllocation({ address, affinity, state }: Allocation, used: readonly string[]): ReportedAllocation {
  const ip = printAddr(address);
  if (state.state === 'cooling') return { ip, inUse: used.length > 0, coolingDown: true, owners: used };
  const { handle, attributes, sequenceNumber } = state;
  const owner = affinity?.type === 'host' ? affinity.name : '';
  const node = attributes.node ?? owner;
  const windows = handle === WINDOWS_RESERVED_HANDLE;
  const owners = windows ? [...used, 'Reserved for Windows'] : used;
  return {
    ip,
    ...(handle === undefined || windows ? {} : { handle }),
    sequenceNumber: sequenceNumber ?? 0,
    ...pick('pod', attributes.pod),
    ...pick('namespace', attributes.namespace),
    ...pick('node', node),
    ...pick('type', attributes.type),
    ...pick('creationTimestamp', attributes.timestamp),
    inUse: owners.length > 0,
    ...(node === owner ? {} : { borrowed: true }),
    owners,
  };
}

function pick<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return (value === undefined || value === '' ? {} : { [key]: value }) as { readonly [P in K]?: string };
}

/** A report as the text of a file. */
export function printReport(report: Report): string {
  return `${printJson(report, 2)}\n`;
}

/** The report in a file. Throws a Failure that names the file when it is none. */
export function parseReport(text: string, path: string): Report {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (err) {
    throw new Failure(`Cannot read report ${path}: ${err instanceof Error ? err.message : err}`);
  }
  const report = value as Partial<Report> | null;
  if (typeof report !== 'object' || report === null || typeof report.allocations !== 'object') {
    throw new Failure(
      `Cannot read report ${path}: it has no "allocations"; allowed: a file that "ipam check -o" wrote`,
    );
  }
  return report as Report;
}

/** What all reports agree upon: the addresses that nobody uses, and the handles that no address has. Pure. */
export function mergeReports(reports: readonly Report[]): {
  readonly addresses: readonly ReportedAllocation[];
  readonly handles: readonly ReportedHandle[];
} {
  const [first, ...others] = reports;
  const unused = (report: Report): ReportedAllocation[] =>
    Object.values(report.allocations)
      .flat()
      .filter(({ inUse, coolingDown }) => !inUse && coolingDown !== true);
  const same = (a: ReportedAllocation, b: ReportedAllocation): boolean =>
    a.ip === b.ip && a.handle === b.handle && String(a.sequenceNumber) === String(b.sequenceNumber);
  return {
    addresses: first === undefined ? [] : unused(first).filter(a => others.every(r => unused(r).some(b => same(a, b)))),
    handles: (first?.leakedHandles ?? []).filter(a =>
      others.every(report => report.leakedHandles?.some(b => a.ID === b.ID && a.Revision === b.Revision)),
    ),
  };
}

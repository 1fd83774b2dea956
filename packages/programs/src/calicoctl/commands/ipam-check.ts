import { writeFileSync } from 'node:fs';
import { cidrContains, parseAddr, parseCidr, printAddr } from '@calico/ip';
import { allocationsOf, type Finding } from '@calico/ipam';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { explainLeak } from '../ipam/explain.ts';
import { type Inventory, takeInventory, usedAddresses } from '../ipam/inventory.ts';
import { makeReport, printReport, type Report, type ReportedAllocation } from '../ipam/report.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `ipam check`. */
export interface IpamCheckFlags extends ConnectionFlags {
  readonly output?: string;
  readonly showAllIps?: boolean;
  readonly showProblemIps?: boolean;
}

/** `calicoctl ipam check`: compares what is allocated with what is used, and says what does not fit together and why. */
export async function runIpamCheck(flags: IpamCheckFlags, world: World): Promise<void> {
  const { store, versionChecked } = await openSession(flags, world);
  await versionChecked;
  try {
    const findings = await (await store.openIpam()).check();
    const inventory = await takeInventory(store);
    const report = makeReport(inventory, world.version);
    world.out(printCheck(inventory, report, findings, flags));
    if (flags.output !== undefined) writeFileSync(flags.output, printReport(report), { mode: 0o600 });
  } catch (err) {
    if (err instanceof Failure) throw err;
    throw new Failure(errorText(err));
  }
}

/** What the check says. Pure. */
export function printCheck(
  inventory: Inventory,
  report: Report,
  findings: readonly Finding[],
  { showAllIps = false, showProblemIps = false }: Pick<IpamCheckFlags, 'showAllIps' | 'showProblemIps'>,
): string {
  const problemIps = showProblemIps || showAllIps;
  const lines = [...printLoaded(inventory, showAllIps), ...printNodes(report)];
  const used = Map.groupBy(usedAddresses(inventory), ({ address }) => address);
  const all = Object.values(report.allocations).flat();

  const leaked = all.filter(({ inUse, coolingDown }) => !inUse && coolingDown !== true);
  lines.push('Scanning for IPs that are allocated but not actually in use...');
  if (problemIps)
    for (const each of leaked) lines.push(`  ${each.ip} leaked; ${printOwner(each)}: ${explainLeak(each, inventory)}`);
  lines.push(`Found ${leaked.length} IPs that are allocated in IPAM but not actually in use.`);

  const pools = inventory.activePools.flatMap(text => parseCidr(text) ?? []);
  const inPool = (address: string): boolean => {
    const parsed = parseAddr(address);
    return parsed !== undefined && pools.some(pool => cidrContains(pool, parsed));
  };
  const unallocated = [...used].filter(([address]) => report.allocations[address] === undefined);
  const [inside, outside] = [
    unallocated.filter(([address]) => inPool(address)),
    unallocated.filter(([address]) => !inPool(address)),
  ];
  const shared = [...used].filter(
    ([address, owners]) => new Set(owners.map(({ owner }) => owner)).size > 1 && address !== '',
  );
  lines.push('Scanning for IPs that are in use by a workload or node but not allocated in IPAM...');
  if (problemIps) {
    for (const [address, owners] of outside)
      lines.push(`  ${address} in use by ${names(owners)} is not in any active IP pool.`);
    for (const [address, owners] of inside)
      lines.push(`  ${address} in use by ${names(owners)} and in active IPAM pool but has no IPAM allocation.`);
  }
  lines.push(
    `Found ${outside.length} in-use IPs that are not in active IP pools.`,
    `Found ${inside.length} in-use IPs that are in active IP pools but have no corresponding IPAM allocation.`,
    '',
    'Scanning for IPs that are in use more than once...',
  );
  if (problemIps)
    for (const [address, owners] of shared) lines.push(`  ${address} has multiple owners: ${names(owners)}.`);
  lines.push(`Found ${shared.length} IPs with more than one owner.`, '');

  const handles = report.leakedHandles ?? [];
  lines.push('Scanning for IPAM handles with no matching IPs...');
  if (problemIps) for (const { ID } of handles) lines.push(`  ${ID} doesn't have any active IPs.`);
  lines.push(
    `Found ${handles.length} handles with no matching IPs (and ${inventory.handles.length - handles.length} handles with matches).`,
  );
  const known = new Set(inventory.handles.map(({ spec }) => spec.handleID.toLowerCase()));
  const missing = new Set(
    all.flatMap(({ handle }) => (handle === undefined || known.has(handle.toLowerCase()) ? [] : handle)),
  );
  lines.push('Scanning for IPs with missing handle...');
  if (problemIps) for (const handle of missing) lines.push(`  ${handle} is in use in a block but doesn't exist.`);
  lines.push(`Found ${missing.size} handles mentioned in blocks with no matching handle resource.`);

  const invalid = findings.filter(({ kind }) => kind === 'block');
  lines.push('Validating IPAMBlock structures...');
  for (const { object, text } of invalid) lines.push(`  ${object} is invalid: ${text}`);
  lines.push(`Found ${invalid.length} invalid IPAMBlocks.`);

  // What Calico's check does not look for.
  const mismatched = findings.filter(({ kind }) => kind !== 'block');
  const harmful = mismatched.filter(({ harmless }) => !harmless);
  lines.push('Comparing blocks with pools, handles and affinities...');
  if (problemIps)
    for (const { object, text, harmless } of mismatched)
      lines.push(`  ${object}: ${text}${harmless ? ' (harmless: settled with its next use)' : ''}`);
  lines.push(`Found ${harmful.length} mismatches, and ${mismatched.length - harmful.length} that do no harm.`);

  const problems =
    leaked.length + outside.length + inside.length + shared.length + handles.length + missing.size + invalid.length;
  const others = harmful.filter(
    ({ kind, text }) => kind !== 'uncounted' || ![...missing].some(handle => text.includes(`"${handle}"`)),
  );
  lines.push(`Check complete; found ${problems + others.length} problems.`);
  return `${lines.join('\n')}\n`;
}

function printLoaded(inventory: Inventory, showAll: boolean): string[] {
  const { blocks, activePools, nodeAddresses, services, workloadAddresses } = inventory;
  const lines = [
    'Checking IPAM for inconsistencies...',
    '',
    'Loading all IPAM blocks...',
    `Found ${blocks.length} IPAM blocks.`,
  ];
  let total = 0;
  for (const block of blocks) {
    lines.push(` IPAM block ${block.spec.cidr} affinity=${block.spec.affinity ?? '<none>'}:`);
    const allocations = allocationsOf(block);
    total += allocations.length;
    if (!showAll) continue;
    for (const { address, state } of allocations) {
      const attributes = state.state === 'allocated' ? state.attributes : {};
      const handle = state.state === 'allocated' ? (state.handle ?? '<none>') : `cooling since ${state.releasedAt}`;
      const extra = Object.entries(attributes)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => `${key}=${value}`);
      lines.push(`  ${printAddr(address)} allocated; attrs Main:${handle} Extra:${extra.join(',')}`);
    }
  }
  lines.push(`IPAM blocks record ${total} allocations.`, '', 'Loading all IPAM pools...');
  lines.push(...activePools.map(cidr => `  ${cidr}`), `Found ${activePools.length} active IP pools.`, '');
  const belongs = (list: Inventory['nodeAddresses']): string[] =>
    showAll ? list.map(({ address, owner }) => `  ${address} belongs to ${owner}`) : [];
  lines.push('Loading all nodes.', ...belongs(nodeAddresses), `Found ${nodeAddresses.length} node tunnel IPs.`, '');
  lines.push('Loading all service load balancer IPs.', ...belongs(services?.addresses ?? []));
  lines.push(
    services === undefined
      ? 'No configuration for LoadBalancer kubecontroller found, skipping service check'
      : `Found ${services.count} service load balancer(s).`,
    '',
    'Loading all workload endpoints.',
    ...belongs(workloadAddresses),
    `Found ${workloadAddresses.length} workload IPs.`,
    `Workloads and nodes are using ${new Set(usedAddresses(inventory).map(({ address }) => address)).size} IPs.`,
    '',
    'Loading all handles',
  );
  return lines;
}

const NODES_SHOWN = 20;

function printNodes({ allocations }: Report): string[] {
  const byNode = Map.groupBy(Object.values(allocations).flat(), ({ node = '' }) => node);
  const counts = [...byNode].map(([node, all]) => ({ node, count: all.length })).sort((a, b) => b.count - a.count);
  const lines = [`Looking for top (up to ${NODES_SHOWN}) nodes by allocations...`];
  lines.push(...counts.slice(0, NODES_SHOWN).map(({ node, count }) => `  ${node} has ${count} allocations`));
  const [most, median] = [counts[0], counts[Math.floor(counts.length / 2)]];
  if (most !== undefined && median !== undefined) {
    lines.push(`Node with most allocations has ${most.count}; median is ${median.count}`);
  }
  return [...lines, ''];
}

function printOwner({ handle = '<none>', pod, namespace, node, type, creationTimestamp }: ReportedAllocation): string {
  const attributes = Object.entries({ namespace, node, pod, timestamp: creationTimestamp, type });
  const extra = attributes.flatMap(([key, value]) => (value === undefined ? [] : `${key}=${value}`));
  return `attrs Main:${handle} Extra:${extra.join(',')}`;
}

function names(owners: readonly { readonly owner: string }[]): string {
  return owners.map(({ owner }) => owner).join(', ');
}

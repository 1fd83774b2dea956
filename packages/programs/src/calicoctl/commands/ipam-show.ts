import { IPAMBlock, IPAMConfiguration } from '@calico/api';
import { type Client, isNotFound } from '@calico/datastore';
import { type Addr, compareAddr, nthAddr, parseAddr, parseCidr, printAddr } from '@calico/ip';
import type { Lookup, Usage } from '@calico/ipam';
import { isIpamError } from '@calico/ipam';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { printBoxTable } from '../output/box-table.ts';
import { printFive, printShare } from '../output/numbers.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `ipam show`. */
export interface IpamShowFlags extends ConnectionFlags {
  readonly ip?: string;
  readonly showBlocks?: boolean;
  readonly showBorrowed?: boolean;
  readonly showConfiguration?: boolean;
}

/** `calicoctl ipam show`: how much of the pools is in use, who has an address, who borrows, what is configured. */
export async function runIpamShow(flags: IpamShowFlags, world: World): Promise<void> {
  const address = flags.ip === undefined ? undefined : parseAddr(flags.ip);
  if (flags.ip !== undefined && address === undefined)
    throw new Failure(`--ip is "${flags.ip}"; allowed: an IP address`);
  const { client, versionChecked } = await openSession(flags, world);
  const show = async (): Promise<string> => {
    if (address !== undefined) return await showAddress(await world.openIpam(client), address);
    if (flags.showBorrowed === true) return printBorrowed((await client.list(IPAMBlock)).items);
    if (flags.showConfiguration === true) return await showConfiguration(client);
    return printUsage(await (await world.openIpam(client)).usage(), flags.showBlocks === true);
  };
  try {
    const text = await show();
    await versionChecked;
    world.out(text);
  } catch (err) {
    if (err instanceof Failure) throw err;
    throw new Failure(errorText(err));
  }
}

/** The table of pools, each with its blocks below it when asked for. Pure. */
export function printUsage({ pools, outOfPool }: Usage, blocks: boolean): string {
  const row = (grouping: string, cidr: string, total: number, used: number, reserved: number): string[] => [
    grouping,
    cidr,
    printFive(total),
    printShare(used, total),
    printShare(reserved, total),
    printShare(total - used - reserved, total),
  ];
  const blockRows = (list: Usage['outOfPool']): string[][] =>
    blocks
      ? [...list]
          .sort(byAddress)
          .map(({ cidr, allocated, cooling, free }) =>
            row('Block', cidr, allocated + cooling + free, allocated, cooling),
          )
      : [];
  const rows = pools.flatMap(pool => [
    row('IP Pool', pool.cidr, Number(pool.size), pool.allocated, pool.cooling),
    ...blockRows(pool.blocks),
  ]);
  return printBoxTable(
    ['GROUPING', 'CIDR', 'IPS TOTAL', 'IPS IN USE', 'IPS RESERVED', 'IPS FREE'],
    [...rows, ...blockRows(outOfPool)],
  );
}

function byAddress(a: Usage['outOfPool'][number], b: Usage['outOfPool'][number]): number {
  const [first, second] = [parseCidr(a.cidr), parseCidr(b.cidr)];
  return first === undefined || second === undefined ? 0 : compareAddr(first.addr, second.addr);
}

/** The table of addresses whose user is not the node that owns the block. Pure. */
export function printBorrowed(blocks: readonly IPAMBlock[]): string {
  const rows = blocks.flatMap(({ spec }) => {
    const [, owner] = (spec.affinity ?? '').split(':');
    const range = parseCidr(spec.cidr);
    if (range === undefined) return [];
    return [...spec.allocations.entries()].flatMap(([ordinal, index]) => {
      const attributes = index === null ? undefined : spec.attributes[index]?.secondary;
      const node = attributes?.node;
      if (attributes === undefined || attributes === null || node === undefined || node === owner) return [];
      const { namespace, pod, type } = attributes;
      const user = pod === undefined ? (type ?? '') : `${namespace ?? ''}/${pod}`;
      const kind = pod === undefined ? 'tunnel' : 'pod';
      return [[printAddr(nthAddr(range, BigInt(ordinal))), node, spec.cidr, owner ?? '', kind, user]];
    });
  });
  return printBoxTable(['IP', 'BORROWING-NODE', 'BLOCK', 'BLOCK OWNER', 'TYPE', 'ALLOCATED-TO'], rows);
}

/** Whose an address is. Pure. */
export function printLookup(address: Addr, { handle, attributes, alternateAttributes }: Lookup): string {
  const list = (title: string, of: Readonly<Record<string, string>> | undefined): string => {
    const entries = Object.entries(of ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.length === 0 ? '' : `${title}:\n${entries.map(([key, value]) => `  ${key}: ${value}\n`).join('')}`;
  };
  return [
    `IP ${printAddr(address)} is in use\n`,
    handle === undefined ? '' : `Handle ID: ${handle}\n`,
    list('Attributes', attributes),
    list('Alternate owner attributes', alternateAttributes),
  ].join('');
}

async function showAddress(ipam: Awaited<ReturnType<World['openIpam']>>, address: Addr): Promise<string> {
  try {
    return printLookup(address, await ipam.lookup(address));
  } catch (err) {
    if (isIpamError(err, 'NotFound')) return `${printAddr(address)} is not assigned\n`;
    if (isIpamError(err, 'InCooldown')) return `${printAddr(address)} is not assigned; it is kept back for a while\n`;
    throw err;
  }
}

async function showConfiguration(client: Client): Promise<string> {
  const read = async (): Promise<IPAMConfiguration['spec']> => {
    try {
      return (await client.get(IPAMConfiguration, { name: 'default' })).spec;
    } catch (err) {
      if (isNotFound(err)) return { strictAffinity: false, autoAllocateBlocks: true };
      throw err;
    }
  };
  const spec = await read();
  return printBoxTable(
    ['PROPERTY', 'VALUE'],
    [
      ['StrictAffinity', String(spec.strictAffinity)],
      ['AutoAllocateBlocks', String(spec.autoAllocateBlocks)],
      ['MaxBlocksPerHost', String(spec.maxBlocksPerHost ?? 0)],
      ['KubeVirtVMAddressPersistence', spec.kubeVirtVMAddressPersistence ?? 'Enabled'],
      ['IPCooldownSeconds', String(spec.ipCooldownSeconds ?? 0)],
    ],
  );
}

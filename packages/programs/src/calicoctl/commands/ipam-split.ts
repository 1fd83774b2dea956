import { ClusterInformation, IPPool, printJson } from '@calico/api';
import type { Client } from '@calico/datastore';
import { type Cidr, cidrSize, firstAddr, maskCidr, parseCidr, printCidr } from '@calico/ip';
import { errorText } from '../error-text.ts';
import { Failure } from '../failure.ts';
import { type ConnectionFlags, openSession } from '../session.ts';
import type { World } from '../world.ts';

/** Flags of `ipam split`. */
export interface IpamSplitFlags extends ConnectionFlags {
  readonly cidr?: string;
  readonly name?: string;
}

const NAME_LIMIT = 253;

/** `calicoctl ipam split`: replaces a pool by smaller ones with all that it had; the datastore must be locked meanwhile. */
export async function runIpamSplit(parts: string, flags: IpamSplitFlags, world: World): Promise<void> {
  if (flags.cidr === undefined && flags.name === undefined) {
    throw new Failure('no name or CIDR provided. Provide a name or CIDR to denote the IP pool to split');
  }
  const { client, versionChecked } = await openSession(flags, world);
  await versionChecked;
  try {
    const pool = await poolToSplit(client, flags);
    const cidrs = splitCidr(pool.spec.cidr, Number(parts));
    await client.update(IPPool, { ...pool, spec: { ...pool.spec, disabled: true } });
    const created = cidrs.map((cidr, i) => partOf(pool, printCidr(cidr), i));
    // Servers refuse pools that overlap, so the old one goes first. Its blocks stay as they are.
    await client.delete(IPPool, { name: pool.metadata.name });
    for (const part of created) await createPart(client, part, pool);
    world.out(`IP Pool ${pool.metadata.name} was successfully split into ${created.length} smaller pools.\n`);
    for (const { metadata, spec } of created) world.out(`Created ${metadata.name} with CIDR ${spec.cidr}.\n`);
    world.out('Please refer to the documentation for final steps.\n');
  } catch (err) {
    if (err instanceof Failure) throw err;
    throw new Failure(errorText(err));
  }
}

async function poolToSplit(client: Client, { name, cidr }: IpamSplitFlags): Promise<IPPool> {
  if ((await client.get(ClusterInformation, { name: 'default' })).spec.datastoreReady !== false) {
    throw new Failure(
      'datastore is not locked. Run the `calicoctl datastore migrate lock` command in order split the IP pools',
    );
  }
  const { items } = await client.list(IPPool);
  const found = items.find(({ metadata, spec }) => (name === undefined ? spec.cidr === cidr : metadata.name === name));
  if (found !== undefined) return found;
  const allowed = items.map(({ metadata, spec }) => `${metadata.name} (${spec.cidr})`).join(', ') || 'there is none';
  throw new Failure(`unable to find IP pool ${name ?? cidr}; allowed: ${allowed}`);
}

async function createPart(client: Client, part: IPPool, { metadata, spec }: IPPool): Promise<void> {
  try {
    await client.create(IPPool, part);
  } catch (err) {
    throw new Failure(
      `${errorText(err)}\nIP pool ${metadata.name} is gone by now: create what is missing of ${spec.cidr} from this: ${printJson(part)}`,
    );
  }
}

/** A CIDR in equal parts. Throws a Failure unless their number is a power of 2, and none is smaller than an address. Pure. */
export function splitCidr(text: string, parts: number): Cidr[] {
  const whole = parseCidr(text);
  if (whole === undefined) throw new Failure(`error splitting the CIDR ${text}: it is no CIDR`);
  const bits = Math.log2(parts);
  if (!Number.isInteger(bits) || bits < 1) {
    throw new Failure(
      `error splitting the CIDR ${text} into ${parts} CIDRs: the number is not a valid power of 2; allowed: 2, 4, 8 …`,
    );
  }
  const length = whole.length + bits;
  if (length > (whole.addr.family === 4 ? 32 : 128)) {
    throw new Failure(`error splitting the CIDR ${text} into ${parts} CIDRs: it is not large enough`);
  }
  const { family, value } = firstAddr(maskCidr(whole));
  const size = cidrSize(whole) / BigInt(parts);
  return Array.from({ length: parts }, (_, i) => ({ addr: { family, value: value + BigInt(i) * size }, length }));
}

function partOf({ apiVersion, kind, metadata, spec }: IPPool, cidr: string, index: number): IPPool {
  const suffix = `-${index}`;
  const name = `split-${metadata.name}`.slice(0, NAME_LIMIT - suffix.length) + suffix;
  const { labels, annotations } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: { ...spec, cidr, disabled: false },
  };
}

import { IPPool, printFieldError } from '@calico/api';
import {
  type Addr,
  type Cidr,
  cidr,
  cidrContains,
  type Family,
  maskCidr,
  parseCidr,
  printAddr,
  printCidr,
} from '@calico/ip';
import { type Random, randomInt } from '@calico/reconcile';
import { badVariable, NodeError } from './node-error.ts';
import { isYes } from './yes.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the default pools depend on beside the environment. */
export interface PoolSituation {
  /** CIDRs for pods as kubeadm was told them, of any family. */
  readonly podSubnets: readonly Cidr[];
  /** All addresses of the host. */
  readonly hostAddresses: readonly Addr[];
  /** The pools that there are. */
  readonly present: readonly IPPool[];
  /** Whether the host has IPv6. */
  readonly ipv6: boolean;
  readonly random: Random;
}

/** Calico's choice where nobody says anything, and what is tried where the host is inside of it. */
const preferred = cidr('192.168.0.0/16');
const fallbacks = Array.from({ length: 16 }, (_, i) => cidr(`172.${16 + i}.0.0/16`));

const modes: Readonly<Record<string, 'Never' | 'CrossSubnet' | 'Always'>> = {
  '': 'Never',
  off: 'Never',
  never: 'Never',
  crosssubnet: 'CrossSubnet',
  'cross-subnet': 'CrossSubnet',
  always: 'Always',
};

interface FamilyRules {
  readonly family: Family;
  readonly prefix: 'CALICO_IPV4POOL' | 'CALICO_IPV6POOL';
  readonly name: string;
  readonly blockSize: { readonly least: number; readonly most: number; readonly usual: number };
  readonly natOutgoing: boolean;
}

const families: readonly FamilyRules[] = [
  {
    family: 4,
    prefix: 'CALICO_IPV4POOL',
    name: 'default-ipv4-ippool',
    blockSize: { least: 20, most: 32, usual: 26 },
    natOutgoing: true,
  },
  {
    family: 6,
    prefix: 'CALICO_IPV6POOL',
    name: 'default-ipv6-ippool',
    blockSize: { least: 116, most: 128, usual: 122 },
    natOutgoing: false,
  },
];

/**
 * The pools to create: for each family one, unless the environment says otherwise or there is a pool of it. Throws NodeError
 * that names the variable, also where a variable is bad that nothing depends on.
 */
export function defaultPools(env: Environment, situation: PoolSituation): IPPool[] {
  if (env.NO_DEFAULT_POOLS?.toLowerCase() === 'true') {
    for (const variable of ['CALICO_IPV4POOL_CIDR', 'CALICO_IPV6POOL_CIDR']) {
      if (env[variable]) throw badVariable(variable, env[variable], 'none beside NO_DEFAULT_POOLS=true');
    }
    return [];
  }
  return families.flatMap(rules => {
    if (env[`${rules.prefix}_CIDR`] === 'none') return [];
    const pool = readPool(rules, env, situation);
    const exists = situation.present.some(({ spec }) => parseCidr(spec.cidr)?.addr.family === rules.family);
    const possible = rules.family === 4 || (situation.ipv6 && isYes(env.FELIX_IPV6SUPPORT, true));
    return exists || !possible ? [] : [pool];
  });
}

function readPool(rules: FamilyRules, env: Environment, situation: PoolSituation): IPPool {
  const { family, prefix, name, natOutgoing } = rules;
  const mode = (field: 'IPIP' | 'VXLAN') => {
    const text = env[`${prefix}_${field}`] ?? '';
    const found = Object.hasOwn(modes, text.toLowerCase()) ? modes[text.toLowerCase()] : undefined;
    if (found === undefined) throw badVariable(`${prefix}_${field}`, text, 'Never, CrossSubnet, Always');
    return found;
  };
  const pool = IPPool.default({
    apiVersion: IPPool.apiVersion,
    kind: 'IPPool',
    metadata: { name },
    spec: {
      cidr: printCidr(readCidr(rules, env, situation)),
      blockSize: readBlockSize(rules, env),
      ipipMode: family === 4 ? mode('IPIP') : 'Never',
      vxlanMode: mode('VXLAN'),
      natOutgoing: isYes(env[`${prefix}_NAT_OUTGOING`], natOutgoing),
      disableBGPExport: isYes(env[`${prefix}_DISABLE_BGP_EXPORT`], false),
      nodeSelector: env[`${prefix}_NODE_SELECTOR`] || 'all()',
    },
  });
  const faults = IPPool.validate(pool);
  if (faults.length > 0) {
    const words = faults.map(printFieldError).join('; ');
    throw new NodeError(`Cannot start: the variables ${prefix}_… make no valid pool: ${words}`);
  }
  return pool;
}

function readBlockSize({ prefix, blockSize: { least, most, usual } }: FamilyRules, env: Environment): number {
  const text = env[`${prefix}_BLOCK_SIZE`] || String(usual);
  const size = Number(text);
  if (Number.isInteger(size) && size >= least && size <= most) return size;
  throw badVariable(`${prefix}_BLOCK_SIZE`, text, `${least} to ${most}`);
}

function readCidr({ family, prefix }: FamilyRules, env: Environment, situation: PoolSituation): Cidr {
  const variable = `${prefix}_CIDR`;
  const text = env[variable];
  if (text) {
    const given = text.includes('/') ? parseCidr(text) : undefined;
    if (given?.addr.family !== family) throw badVariable(variable, text, `a CIDR of IPv${family}, none`);
    return maskCidr(given);
  }
  const ofKubeadm = situation.podSubnets.find(({ addr }) => addr.family === family);
  if (ofKubeadm !== undefined) return maskCidr(ofKubeadm);
  return family === 4 ? freeCidr(situation.hostAddresses) : uniqueLocal(situation.random);
}

/** The preferred range, unless the host is in it; the same where the host is in all of them. */
function freeCidr(hostAddresses: readonly Addr[]): Cidr {
  const free = (range: Cidr) => !hostAddresses.some(address => cidrContains(range, address));
  return [preferred, ...fallbacks].find(free) ?? preferred;
}

/** A range of unique local addresses that nobody else is likely to have. RFC 4193 §3.2 */
function uniqueLocal(random: Random): Cidr {
  let value = 0xfdn;
  for (let i = 0; i < 5; i++) value = (value << 8n) | BigInt(randomInt(random, 256));
  return cidr(`${printAddr({ family: 6, value: value << 80n })}/48`);
}

/** The CIDRs of `podSubnet` in kubeadm's ConfigMap `kubeadm-config`; those that are none are left out. */
export function kubeadmPodSubnets(data: Readonly<Record<string, string>>): Cidr[] {
  for (const text of Object.values(data)) {
    const subnets = /podSubnet:[ \t]*(.*)/.exec(text)?.[1];
    if (subnets === undefined) continue;
    const parts = subnets.split(',').map(part => part.trim().replace(/^["']|["']$/g, ''));
    return parts.flatMap(part => (part.includes('/') ? (parseCidr(part) ?? []) : []));
  }
  return [];
}

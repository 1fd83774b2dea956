import type { CalicoNode } from '@calico/api';
import { type Cidr, type Family, parseCidr, printAddr, printCidr } from '@calico/ip';
import { badVariable, NodeError } from '../node-error.ts';
import { detectAddress, holderOf, type Surroundings } from './detect-address.ts';
import { type DetectionMethod, parseDetectionMethod } from './detection-method.ts';
import { isInternal } from './host-interface.ts';

/** What the environment says about the address of one family. */
export interface AddressSetting {
  /** The variable: IP or IP6. */
  readonly variable: string;
  readonly family: Family;
  /** As it stands in the environment: `autodetect`, `none`, empty, or an address. */
  readonly value: string;
  /** The address, when it is one; a bare one has no length of its own. */
  readonly given: { readonly address: Cidr; readonly bare: boolean } | undefined;
  readonly method: DetectionMethod;
}

/** The settings of both families, IPv4 first. */
export type AddressSettings = readonly [AddressSetting, AddressSetting];

/** Reads IP, IP6 and their methods. Throws NodeError that names the variable. */
export function readAddressSettings(env: Readonly<Record<string, string | undefined>>): AddressSettings {
  return [
    {
      ...readValue('IP', 4, env.IP),
      method: parseDetectionMethod('IP_AUTODETECTION_METHOD', env.IP_AUTODETECTION_METHOD),
    },
    {
      ...readValue('IP6', 6, env.IP6),
      method: parseDetectionMethod('IP6_AUTODETECTION_METHOD', env.IP6_AUTODETECTION_METHOD),
    },
  ];
}

function readValue(variable: string, family: Family, value = ''): Omit<AddressSetting, 'method'> {
  if (value === '' || value === 'none' || value === 'autodetect') {
    return { variable, family, value, given: undefined };
  }
  const address = parseCidr(value);
  if (address?.addr.family !== family) {
    throw badVariable(
      variable,
      value,
      `an IPv${family} address, with or without the length of its network, autodetect, none`,
    );
  }
  return { variable, family, value, given: { address, bare: !value.includes('/') } };
}

/** What a node says about its addresses. */
export interface NodeAddresses {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  /** Those that host endpoints may be made for; undefined where no family was asked for by name. */
  readonly interfaces: NonNullable<CalicoNode['spec']['interfaces']> | undefined;
}

/** The addresses that a node is to have, and how they came about, in words. */
export interface ChosenAddresses extends NodeAddresses {
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** An address could not be had; what the node says about those of `clear` is no longer true. */
export class AddressError extends NodeError {
  readonly clear: readonly Family[];

  constructor(message: string, clear: readonly Family[]) {
    super(message);
    this.clear = clear;
  }
}

/**
 * Chooses a node's addresses: given ones, detected ones, else those that it has. Rejects with AddressError where an
 * address that was asked for can't be had and none is known from before, or where there is none at all.
 */
export async function chooseAddresses(
  settings: AddressSettings,
  present: NodeAddresses,
  surroundings: Surroundings,
): Promise<ChosenAddresses> {
  const notes: string[] = [];
  const warnings: string[] = [];
  const choose = async (setting: AddressSetting, old: string | undefined): Promise<string | undefined> => {
    const { variable, family, value, given, method } = setting;
    const detects = value === 'autodetect' || (value === '' && family === 4 && old === undefined);
    if (detects) {
      const found = await detectAddress(method, family, surroundings);
      if (found.address !== undefined) {
        notes.push(
          `IPv${family} address ${printCidr(found.address)} of ${found.interfaceName} by ${printMethod(method)}`,
        );
        return printCidr(found.address);
      }
      const failure = `no IPv${family} address was detected by ${printMethod(method)}: ${found.reason}`;
      if (old === undefined) {
        const advice = `choose another method with ${variable}_AUTODETECTION_METHOD, or give ${variable} an address`;
        throw new AddressError(`Cannot start: ${failure}; ${advice}`, detectedFamilies(settings));
      }
      warnings.push(`${failure}; the node keeps ${old}`);
    }
    const address = given === undefined ? old : printCidr(withLength(given, surroundings));
    if (address !== undefined && !isOnHost(address, surroundings)) {
      warnings.push(`the node's IPv${family} address ${address} is on none of its interfaces`);
    }
    return address;
  };
  const [four, six] = settings;
  const ipv4 = await choose(four, present.ipv4);
  const ipv6 = await choose(six, present.ipv6);
  if (ipv4 === undefined && ipv6 === undefined) {
    throw new AddressError(
      `Cannot start: the node has neither an IPv4 nor an IPv6 address (IP is "${four.value}", IP6 is "${six.value}"); allowed: one of them autodetect or an address`,
      detectedFamilies(settings),
    );
  }
  const named = settings.filter(({ value }) => value !== '' && value !== 'none').map(({ family }) => family);
  return { ipv4, ipv6, interfaces: interfacesOf(named, surroundings), notes, warnings };
}

/** Whether a node says the same about its addresses. */
export function sameAddresses(a: NodeAddresses, b: NodeAddresses): boolean {
  return JSON.stringify([a.ipv4, a.ipv6, a.interfaces]) === JSON.stringify([b.ipv4, b.ipv6, b.interfaces]);
}

/** The families whose stored address is only as good as the last detection. */
function detectedFamilies(settings: AddressSettings): Family[] {
  return settings.filter(({ value }) => value === 'autodetect').map(({ family }) => family);
}

/** An address as given; a bare one with the length that it has on its interface, else alone. */
function withLength({ address, bare }: NonNullable<AddressSetting['given']>, { interfaces }: Surroundings): Cidr {
  return bare ? (holderOf(address.addr, interfaces)?.address ?? address) : address;
}

function isOnHost(text: string, { interfaces }: Surroundings): boolean {
  const parsed = parseCidr(text);
  return parsed !== undefined && holderOf(parsed.addr, interfaces) !== undefined;
}

function interfacesOf(families: readonly Family[], { interfaces }: Surroundings): NodeAddresses['interfaces'] {
  if (families.length === 0) return undefined;
  return interfaces
    .filter(({ name }) => !isInternal(name))
    .map(({ name, addresses }) => ({
      name,
      addresses: addresses.filter(({ addr }) => families.includes(addr.family)).map(({ addr }) => printAddr(addr)),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** As it is written in the environment. */
function printMethod(method: DetectionMethod): string {
  switch (method.kind) {
    case 'interface':
    case 'skip-interface':
      return `${method.kind}=${method.names.map(({ source }) => source).join(',')}`;
    case 'cidr':
      return `cidr=${method.cidrs.map(printCidr).join(',')}`;
    case 'can-reach':
      return `can-reach=${method.host}`;
    default:
      return method.kind;
  }
}

import type { CalicoNode } from '@calico/api';
import type { Family } from '@calico/ip';
import type { NodeLog } from '../log.ts';
import type { NodeStore } from '../node-store.ts';
import { type AddressConflict, addressConflicts } from './address-conflict.ts';
import {
  AddressError,
  type AddressSettings,
  type ChosenAddresses,
  chooseAddresses,
  type NodeAddresses,
  sameAddresses,
} from './choose-addresses.ts';
import type { Surroundings } from './detect-address.ts';

/** What settling a node's addresses works with. */
export interface AddressDeps {
  readonly nodes: NodeStore;
  readonly log: NodeLog;
  /** The host as it is now. */
  surroundings(): Promise<Surroundings>;
}

/** How a node's addresses are settled. */
export interface AddressOptions {
  readonly settings: AddressSettings;
  /** Whether another node with the same address is refused: not with DISABLE_NODE_IP_CHECK. */
  readonly checkConflicts: boolean;
}

/**
 * The addresses that a node is to have. Rejects with AddressError when they can't be had or another node has them; what the
 * node says of them in the datastore is cleared first where it was detected and no longer holds.
 */
export async function settleAddresses(
  name: string,
  node: CalicoNode | undefined,
  options: AddressOptions,
  deps: AddressDeps,
): Promise<ChosenAddresses> {
  try {
    return await choose(name, node, options, deps);
  } catch (error) {
    if (error instanceof AddressError && node !== undefined && error.clear.length > 0) {
      await clearAddresses(name, error.clear, deps);
    }
    throw error;
  }
}

async function choose(
  name: string,
  node: CalicoNode | undefined,
  { settings, checkConflicts }: AddressOptions,
  { nodes, log, surroundings }: AddressDeps,
): Promise<ChosenAddresses> {
  const present = addressesOf(node);
  const chosen = await chooseAddresses(settings, present, await surroundings());
  for (const warning of chosen.warnings) log.warn({ node: name }, warning);
  if (sameAddresses(chosen, present)) return chosen;
  for (const [old, now] of [
    [present.ipv4, chosen.ipv4],
    [present.ipv6, chosen.ipv6],
  ]) {
    if (old === undefined || old === now) continue;
    log.warn(
      { node: name, old, now },
      'The address of the node has changed; two nodes of the same name look like this too',
    );
  }
  const conflicts = checkConflicts ? addressConflicts(name, chosen, await nodes.list()) : [];
  if (conflicts.length > 0) throw conflictError(name, conflicts, settings);
  for (const note of chosen.notes) log.info({ node: name }, note);
  return chosen;
}

function conflictError(name: string, conflicts: readonly AddressConflict[], settings: AddressSettings): AddressError {
  const words = conflicts.map(({ address, node }) => `${address} is the address of node "${node}" already`).join('; ');
  const families = conflicts.map(({ family }) => family);
  const clear = settings.filter(s => s.value === 'autodetect' && families.includes(s.family)).map(s => s.family);
  return new AddressError(
    `Cannot start node "${name}": ${words}; give one of them another address, delete that node if it is gone, or set DISABLE_NODE_IP_CHECK=true`,
    clear,
  );
}

/** What a node says about its addresses. */
export function addressesOf(node: CalicoNode | undefined): NodeAddresses {
  const { bgp, interfaces } = node?.spec ?? {};
  return { ipv4: bgp?.ipv4Address, ipv6: bgp?.ipv6Address, interfaces };
}

/** The node with other addresses. */
export function withAddresses(node: CalicoNode, { ipv4, ipv6, interfaces }: NodeAddresses): CalicoNode {
  const { bgp = {}, interfaces: _interfaces, ...others } = node.spec;
  const { ipv4Address: _ipv4, ipv6Address: _ipv6, ...rest } = bgp;
  const next = {
    ...rest,
    ...(ipv4 === undefined ? {} : { ipv4Address: ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6Address: ipv6 }),
  };
  const spec = {
    ...others,
    // An empty one is not valid.
    ...(Object.keys(next).length === 0 ? {} : { bgp: next }),
    ...(interfaces === undefined ? {} : { interfaces }),
  };
  return { ...node, spec };
}

/** Best effort: why the address can't be had is what the caller has to hear. */
async function clearAddresses(name: string, families: readonly Family[], { nodes, log }: AddressDeps): Promise<void> {
  try {
    await nodes.change(name, node => {
      const present = addressesOf(node);
      return withAddresses(node, {
        ...present,
        ipv4: families.includes(4) ? undefined : present.ipv4,
        ipv6: families.includes(6) ? undefined : present.ipv6,
      });
    });
    log.info({ node: name, families }, 'Cleared what no longer holds of the addresses of the node');
  } catch (err) {
    log.warn({ err, node: name }, 'Could not clear what no longer holds of the addresses of the node');
  }
}

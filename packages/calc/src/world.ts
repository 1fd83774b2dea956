import { type Addr, bitsOf, maskCidr, printAddr, printCidr } from '@calico/ip';
import { printProtocol, type World } from '@calico/policy';
import type { NodeState } from './state.ts';

/** A node's state as the evaluator asks it. It reads `state` anew with every question, so it never grows old. */
export function worldOf(state: NodeState): World {
  return {
    policy: id => state.policies.get(id),
    profile: id => state.profiles.get(id),
    setContains: (id, address, protocol, port) => {
      const members = state.sets.get(id)?.members;
      if (members === undefined) return false;
      if (protocol === undefined || port === undefined) return covers(members, address);
      return members.has(`${printAddr(address)},${printProtocol(protocol)}:${port}`);
    },
  };
}

/** Whether a member covers the address: members are masked, so each length is one question. */
function covers(members: ReadonlySet<string>, addr: Addr): boolean {
  for (let length: number = bitsOf(addr.family); length >= 0; length--) {
    if (members.has(printCidr(maskCidr({ addr, length })))) return true;
  }
  return false;
}

import { expect } from 'bun:test';
import { type Mac, printCidr } from '@calico/ip';
import { KernelError } from '../error.ts';
import type { Address, Kernel, Link, Route } from '../kernel.ts';

export const MAIN = 254;
export const RTPROT_KERNEL = 2;
export const FELIX = 80;
export const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** How long the real kernel may take for what it does in the background (carrier, link-local addresses). */
const PATIENCE_MS = 3000;

/** A veth pair within the namespace; with `up` both ends are. Gives the first end. */
export function createVeth(
  kernel: Kernel,
  name: string,
  peer: string,
  more: { up?: boolean; mtu?: number; mac?: Mac } = {},
): Link {
  const link = kernel.createLink({ kind: 'veth', name, ...more, peer: { name: peer } });
  if (more.up) kernel.setLink(kernel.link(peer)?.index ?? -1, { up: true });
  return link;
}

/** Addresses without the link-local ones that the kernel makes by itself. */
export function own(addresses: Address[]): Address[] {
  return addresses.filter(a => a.address.addr.family === 4 || a.scope !== 'link');
}

/** Orders by address or destination, as text. */
export function byText(a: Address | Route, b: Address | Route): number {
  const [left, right] = [a, b].map(x => printCidr('destination' in x ? x.destination : x.address));
  return (left ?? '') < (right ?? '') ? -1 : 1;
}

/** Expects a KernelError with this errno's name. */
export function expectCode(code: string, act: () => unknown): void {
  let caught: unknown;
  try {
    act();
  } catch (error) {
    caught = error;
  }
  if (caught !== undefined && !(caught instanceof KernelError)) throw caught;
  expect(caught?.code).toBe(code);
}

/** Asks again until it holds: the kernel does some things in the background, and says of none when it is done. */
export function eventually(holds: () => boolean): void {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) if (performance.now() > end) throw new Error(`Cannot see the change within ${PATIENCE_MS} ms`);
}

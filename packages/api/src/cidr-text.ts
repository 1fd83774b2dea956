import { type Cidr, maskCidr, printCidr } from '@calico/ip';

/** The text of a CIDR with its host bits zeroed: what the user probably meant. */
export function printCanonical(cidr: Cidr): string {
  return printCidr(maskCidr(cidr));
}

export {
  type Addr,
  addAddr,
  addr,
  addrEquals,
  addrFromBytes,
  addrToBytes,
  bitsOf,
  compareAddr,
  type Family,
  parseAddr,
  printAddr,
} from './addr.ts';
export {
  type Cidr,
  cidr,
  cidrContains,
  cidrCovers,
  cidrEquals,
  cidrSize,
  cidrsOverlap,
  compareCidr,
  firstAddr,
  hostCidr,
  isMasked,
  lastAddr,
  maskCidr,
  nthAddr,
  ordinalOf,
  parseCidr,
  printCidr,
} from './cidr.ts';
export { IpError } from './error.ts';
export { parseIpv4, printIpv4 } from './ipv4.ts';
export { type Mac, macFromBytes, macToBytes, parseMac } from './mac.ts';
export { mergeCidrs } from './merge-cidrs.ts';
export { PrefixTrie, type PrefixTrieEntry } from './prefix-trie.ts';

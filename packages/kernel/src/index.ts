export { type ExtendedAck, errnoName, errnoNumber, isAbsent, KernelError } from './error.ts';
export * from './kernel.ts';
export * from './nftables/index.ts';
export { printAddress, printFdbEntry, printLink, printNeighbour, printRoute } from './print.ts';

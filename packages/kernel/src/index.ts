export { type ExtendedAck, errnoName, errnoNumber, isAbsent, isExists, KernelError } from './error.ts';
export * from './kernel.ts';
export { batchSize, splitOps } from './nftables/batch.ts';
export * from './nftables/types.ts';
export { printAddress, printFdbEntry, printLink, printNeighbour, printRoute } from './print.ts';

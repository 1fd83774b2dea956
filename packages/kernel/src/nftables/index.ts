export { batchSize, opSize, splitOps } from './batch.ts';
export type {
  Classification,
  ConntrackState,
  FakeInterface,
  FakePacket,
  FibAnswer,
  FibQuestion,
  IpPacket,
  PacketContext,
  RawPacket,
  TraceStep,
} from './classify.ts';
export { ctStates, fieldLength, fieldsOf, paddedLength, printKey, typeLength } from './field-type.ts';
export {
  compareKeys,
  concatBytes,
  hostU32Bytes,
  ifnameBytes,
  ifnamePrefixBytes,
  keysEqual,
  nextKey,
  previousKey,
  u8Bytes,
  u16Bytes,
} from './keys.ts';
export { type PrintOptions, printElement, printTable } from './print.ts';
export { type PrintContext, printRule } from './print-rule.ts';
export { sameExprs } from './same-exprs.ts';
export * from './types.ts';
export { printVerdict } from './verdict.ts';

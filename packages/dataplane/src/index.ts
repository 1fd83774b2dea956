export { closeWorkloads } from './closed-rules.ts';
export { type Applied, Dataplane } from './dataplane.ts';
export {
  type DataplaneConfig,
  dataplaneConfigFrom,
  dataplaneParameters,
  defaultDataplaneConfig,
} from './dataplane-config.ts';
export { EndpointIndex } from './endpoint-index.ts';
export { type PacketLineNames, packetLine } from './packet-line.ts';
export { ruleCounter, tableName, tierCounter } from './policy/names.ts';
export { logGroup, type PolicyCompilerOptions } from './policy/policy-compiler.ts';
export type { DataplaneTables, ProgramState, RouteState } from './tables.ts';

export { type Allocation, allocationsOf } from './allocations.ts';
export {
  type AddressState,
  blockCidr,
  collectCooled,
  isEmpty,
  sequenceNumber,
  WINDOWS_RESERVED_HANDLE,
} from './block.ts';
export { checkIpam, type Finding, type IpamState } from './check.ts';
export { IpamError, type IpamErrorCode, isIpamError } from './error.ts';
export { Ipam, type IpamDeps } from './ipam.ts';
export type { Logger } from './log.ts';
export { affinityLabels, handleName } from './names.ts';
export { type Owner, parseOwner, printOwner } from './owner.ts';
export type { OwnerAttributes, OwnerChange } from './owner-attributes.ts';
export { type IntendedUse, type Pool, poolOfAddress, poolOfBlock, readPools, selectsNode } from './pools.ts';
export type { ReleaseRequest } from './releases.ts';
export type {
  AssignIpRequest,
  AutoAssignRequest,
  AutoAssignResult,
  ClaimedAffinities,
  EnsureBlockRequest,
  Lookup,
  ReleaseAffinityRequest,
  TunnelRequest,
} from './requests.ts';
export { type IpamConfig, type Settings, type SettingsSource, storedSettings, toSettings } from './settings.ts';
export { TUNNEL_KINDS, type TunnelKind, tunnelPlan } from './tunnel.ts';
export type { BlockUsage, PoolUsage, Usage } from './usage.ts';
export { watchedSettings } from './watched-settings.ts';

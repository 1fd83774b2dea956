export { checkIpam, type Finding, type IpamState } from './check.ts';
export { IpamError, type IpamErrorCode, isIpamError } from './error.ts';
export {
  type AssignIpRequest,
  type AutoAssignRequest,
  type AutoAssignResult,
  Ipam,
  type IpamDeps,
  type Lookup,
  type ReleaseAffinityRequest,
  type TunnelRequest,
} from './ipam.ts';
export type { Logger } from './log.ts';
export type { IntendedUse } from './pools.ts';
export type { ReleaseRequest } from './releases.ts';
export { type IpamConfig, type Settings, type SettingsSource, storedSettings, toSettings } from './settings.ts';
export type { TunnelKind } from './tunnel.ts';
export type { BlockUsage, PoolUsage, Usage } from './usage.ts';
export { watchedSettings } from './watched-settings.ts';

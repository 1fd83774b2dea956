export { IpamError, type IpamErrorCode, isIpamError } from './error.ts';
export { type AutoAssignRequest, type AutoAssignResult, Ipam, type IpamDeps } from './ipam.ts';
export type { IntendedUse } from './pools.ts';
export type { ReleaseRequest } from './releases.ts';
export { type Settings, type SettingsSource, storedSettings, toSettings } from './settings.ts';

export { CniError, errorCodes } from './cni-error.ts';
export type { CniDeps, CniFelix, CniLog, PolicyWait, SeenPod } from './deps.ts';
export { type CniHandler, createCniHandler } from './handler.ts';
export type { CniIpam } from './ipam.ts';
export { LateWork } from './late-work.ts';
export { LinkTrash } from './link-trash.ts';
export type { CniAnswer, CniCommand, CniFailure, CniParameters, CniPluginName, CniRequest } from './protocol.ts';
export { supportedVersions } from './versions.ts';

export { BgpModel, type BgpModelOptions } from './bgp-model.ts';
export type { PasswordLookup } from './resolve-sessions.ts';
export { isInternal, type Session } from './session.ts';

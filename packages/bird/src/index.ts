export type { BgpSessionState, BirdControl, BirdProtocol, BirdRoute, BirdStatus } from './bird-control.ts';
export { BirdDaemon, type BirdDaemonOptions, type BirdHealth, type BirdLog } from './bird-daemon.ts';
export type { BirdFiles, BirdProcess, BirdProcesses, Inside } from './bird-processes.ts';
export { BirdError, type BirdErrorCode, isUnreachable } from './error.ts';
export { type OpenBirdOptions, openBird } from './open-bird.ts';

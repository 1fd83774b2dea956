export { affinityName, blockName, hostnameHash } from './block-names.ts';
export {
  type Client,
  type DatastoreType,
  type DeleteOptions,
  keyOf,
  type ListResult,
  type ObjectKey,
  type PatchOptions,
  type PatchType,
  printKey,
  type Selection,
  type TakePage,
  type WatchEvent,
  type WatchOptions,
  type WatchStream,
} from './client.ts';
export {
  DatastoreError,
  type DatastoreErrorCode,
  type DatastoreErrorParts,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isInvalid,
  isNotFound,
  isOutcomeUnknown,
  isTransient,
  isUnauthorized,
  printResource,
} from './error.ts';
export { ensureInitialized, type InitializeOptions } from './initialize.ts';
export {
  BGP_ETCD_SOURCES,
  BGP_SOURCES,
  type Converted,
  FELIX_ETCD_SOURCES,
  FELIX_SOURCES,
  type ModelSource,
} from './model.ts';
export { readFelixModel } from './read-model.ts';
export {
  type Log,
  type Reflector,
  type ReflectorDeps,
  type ReflectorEvent,
  type ReflectorHandler,
  type ReflectorStatus,
  startReflector,
} from './reflector.ts';
export {
  type KindStatus,
  type Syncer,
  type SyncerHandler,
  startBgpSyncer,
  startFelixSyncer,
  startSyncer,
} from './syncer.ts';
export { calicoWriteRules, type Write, type WriteRule } from './write-rules.ts';

export { type AddressConflict, addressConflicts } from './addresses/address-conflict.ts';
export {
  AddressError,
  type AddressSettings,
  type ChosenAddresses,
  chooseAddresses,
  type NodeAddresses,
  readAddressSettings,
  sameAddresses,
} from './addresses/choose-addresses.ts';
export {
  type AddressDeps,
  type AddressOptions,
  addressesOf,
  settleAddresses,
  withAddresses,
} from './addresses/configure-addresses.ts';
export type { Surroundings } from './addresses/detect-address.ts';
export { type HostInterface, hostInterfaces } from './addresses/host-interface.ts';
export { birdNotReady } from './bird-readiness.ts';
export { durationOf } from './duration.ts';
export { replaceFile } from './files/replace-file.ts';
export {
  HEARTBEAT_MS,
  HEARTBEAT_NAMESPACE,
  HEARTBEAT_SELECTOR,
  type Heartbeat,
  readHeartbeat,
  SILENCE_MS,
  sendHeartbeat,
} from './heartbeat.ts';
export { type HostFiles, interferingManagers } from './host-network-managers.ts';
export { printCniKubeconfig, serverOfPod } from './installer/cni-kubeconfig.ts';
export { type InstallDeps, installCni, installTlsFiles } from './installer/install-cni.ts';
export { type FreshToken, keepTokenFresh, type TokenState } from './installer/token-refresher.ts';
export type { NodeLog } from './log.ts';
export { calicoIsDown, calicoIsUp, type NetworkState, setNetworkState } from './node-condition.ts';
export { NodeError } from './node-error.ts';
export { type BirdAnswer, nodeStatus } from './node-status.ts';
export { kubernetesNodes, type NodeStore, storedNodes } from './node-store.ts';
export { defaultMtuPattern, type MtuChoice, type MtuSituation, type Overlay, podMtu } from './pod-mtu.ts';
export { RepeatedWork, type RepeatedWorkOptions } from './repeated-work.ts';
export {
  readAddressOptions,
  readStartupSettings,
  type StartupDeps,
  type StartupSettings,
  startNode,
} from './startup.ts';
export { allocateTunnelAddresses, type TunnelDeps } from './tunnel-addresses.ts';
export { isYes } from './yes.ts';

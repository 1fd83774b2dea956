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
export type { Surroundings } from './addresses/detect-address.ts';
export { type HostInterface, hostInterfaces } from './addresses/host-interface.ts';
export { calicoIsDown, calicoIsUp, type NetworkState, setNetworkState } from './node-condition.ts';
export { NodeError } from './node-error.ts';
export { kubernetesNodes, type NodeStore, storedNodes } from './node-store.ts';
export {
  readAddressOptions,
  readStartupSettings,
  type StartupDeps,
  type StartupSettings,
  startNode,
} from './startup.ts';
export { allocateTunnelAddresses, type TunnelDeps } from './tunnel-addresses.ts';

export { defaultConfiguration, type RunConfig, runConfig } from './config/run-config.ts';
export type { ControllerContext } from './context.ts';
export { type RunningControllers, startControllers } from './controllers.ts';
export type { Allocation } from './ipam-gc/allocation.ts';
export { type ReadCluster, readCluster } from './ipam-gc/cluster-reader.ts';
export { collectGarbage, type GarbageDeps } from './ipam-gc/collect-garbage.ts';
export {
  type CollectorPlan,
  type CollectorSettings,
  confirmLeak,
  IpamCollector,
  type Leak,
  type SpareBlock,
} from './ipam-gc/collector.ts';
export { HandleSweep } from './ipam-gc/handle-sweep.ts';
export { type ClusterView, type NodeFacts, type PodFacts, podFacts } from './ipam-gc/owner-state.ts';
export { type Leadership, lead } from './leader.ts';
export { find, isSeparate, type Stores } from './nodes/directory.ts';
export { Views } from './view.ts';

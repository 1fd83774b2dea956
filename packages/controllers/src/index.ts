export { defaultConfiguration, type RunConfig, runConfig } from './config/run-config.ts';
export type { ControllerContext } from './context.ts';
export { type RunningControllers, startControllers } from './controllers.ts';
export type { Allocation } from './ipam-gc/allocation.ts';
export {
  type CollectorPlan,
  type CollectorSettings,
  confirmLeak,
  IpamCollector,
  type Leak,
  type SpareBlock,
} from './ipam-gc/collector.ts';
export { type ClusterView, type NodeFacts, type PodFacts, podFacts } from './ipam-gc/owner-state.ts';
export { type Leadership, lead } from './leader.ts';
export { find, isSeparate, type Stores } from './nodes/directory.ts';
export { Views } from './view.ts';

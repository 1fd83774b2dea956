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

export { ClusterView, type Endpoint } from './cluster-view.ts';
export { enforceStaged } from './enforce-staged.ts';
export { type Judgement, judge } from './judge.ts';
export { type Place, placeAt } from './place.ts';
export { firstPacket, type Port, printPort } from './port.ts';
export { type Change, type Simulation, type SimulationOptions, simulate } from './simulate.ts';

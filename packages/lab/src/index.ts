export { enterLab } from './enter.ts';
export { buildFabric, type Fabric, type Machine, raiseLoopback } from './fabric.ts';
export { runInner } from './inner.ts';
export { type LabUpOptions, runLabUp } from './lab-up.ts';
export { ManifestError, type ManifestObject, readManifests } from './manifests.ts';
export { type Cell, printMatrix, wrongCells } from './matrix.ts';
export { type Encapsulation, encapsulations, type LabPlan, mostNodes, planLab } from './plan.ts';
export { CannotRunHere, chooseLauncher, type Launcher, realSurroundings, type Surroundings } from './preflight.ts';
export { Lab, type LabOptions } from './supervisor.ts';

export { type Crd, type CrdColumn, type CrdGroup, type CrdVersion, crdOf, hasCrd } from './crd.ts';
export type { StructuralSchema } from './structural.ts';

export {
  type ExplainedDirection,
  type ExplainedRule,
  type ExplainedStep,
  type Explanation,
  explain,
} from './explain.ts';
export { parameterName } from './felix-config.ts';
export {
  anyText,
  flag,
  type InvalidParameter,
  integer,
  mergeParameters,
  oneOf,
  type Parameter,
  type Parameters,
  parsed,
  readParameters,
  span,
} from './felix-parameter.ts';
export type { CalcOutput } from './flush.ts';
export { CalcGraph, type CalcGraphOptions, type CalcSizes } from './graph.ts';
export { defaultMac } from './hosts.ts';
export type { SetOutput } from './ip-sets.ts';
export type * from './messages.ts';
export { CUT_ANNOTATION, POLICY_KINDS, policyId } from './policy-entry.ts';
export { unsupportedFields } from './unsupported.ts';
export { worldOf } from './world.ts';

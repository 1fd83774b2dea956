export {
  type Evaluation,
  evaluate,
  type Outcome,
  type RuleStep,
  type TraceStep,
  type Verdict,
  type World,
} from './evaluate.ts';
export { findMismatch, type Mismatch, type Sets } from './match.ts';
export { printMatch, printRule } from './print.ts';
export type * from './program.ts';
export { hasPorts, PROTOCOLS, printProtocol } from './protocol.ts';
export { setsOf } from './sets-of.ts';
export { type MatchVisitor, visitMatch } from './visitor.ts';

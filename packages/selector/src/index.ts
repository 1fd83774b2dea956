export { SelectorError } from './error.ts';
export { addToFew, countOfFew, type Few, membersOfFew, removeFromFew } from './few.ts';
export { IndexedItem, IndexedSelector } from './indexed.ts';
export { LabelIndex, type LabelIndexListener } from './label-index.ts';
export type { LabelLookup, Labels } from './labels.ts';
export { negate, renameLabels, type SelectorNode, sortedValues } from './node.ts';
export { printSelector } from './print.ts';
export { parseSelector, type Selector, selectorOf, validateSelector } from './selector.ts';
export { selectorId } from './selector-id.ts';

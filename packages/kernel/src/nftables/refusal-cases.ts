import { ifnameBytes } from './keys.ts';
import {
  a,
  b,
  base,
  chain,
  cidrs,
  inV4,
  ip,
  jump,
  jumpTo,
  loadSource,
  pods,
  portRange,
  portRanges,
  range,
  rule,
  v4,
  verdict,
} from './testing.ts';
import type { Op } from './types.ts';

/** Operations that every form refuses, with the errno of Linux 6.18. */
export interface RefusalCase {
  readonly name: string;
  /** Applied first, after addTable. */
  readonly given: readonly Op[];
  readonly ops: readonly Op[];
  readonly code: string;
  /** Position of the operation at fault; default the last. */
  readonly at?: number;
}

export const refusals: readonly RefusalCase[] = [
  { name: 'a table created twice', given: [], ops: [{ op: 'addTable', create: true }], code: 'EEXIST' },
  { name: 'a chain created twice', given: [base], ops: [{ ...base, create: true } as Op], code: 'EEXIST' },
  {
    name: 'a set created twice',
    given: [{ op: 'addSet', set: v4 }],
    ops: [{ op: 'addSet', set: v4, create: true }],
    code: 'EEXIST',
  },
  {
    name: 'a set of another type under the same name',
    given: [{ op: 'addSet', set: v4 }],
    ops: [{ op: 'addSet', set: { ...v4, keyType: 'ipv6_addr' } }],
    code: 'EEXIST',
  },
  {
    name: 'a chain made a base chain afterwards',
    given: [chain('base')],
    ops: [base],
    code: 'EOPNOTSUPP',
  },
  {
    name: 'a base chain of another type',
    given: [{ op: 'addChain', chain: { name: 'base', hook: 'output' } }],
    ops: [{ op: 'addChain', chain: { name: 'base', hook: 'output', type: 'route' } }],
    code: 'EEXIST',
  },
  {
    name: 'a base chain moved to another hook',
    given: [base],
    ops: [{ op: 'addChain', chain: { name: 'base', hook: 'input' } }],
    code: 'EOPNOTSUPP',
  },
  {
    name: 'a counter created twice',
    given: [{ op: 'addCounter', name: 'c' }],
    ops: [{ op: 'addCounter', name: 'c', create: true }],
    code: 'EEXIST',
  },
  {
    name: 'an element created twice',
    given: [
      { op: 'addSet', set: v4 },
      { op: 'addElements', set: 'v4', elements: [a] },
    ],
    ops: [{ op: 'addElements', set: 'v4', elements: [b, a], create: true }],
    code: 'EEXIST',
  },
  { name: 'deleting an absent chain', given: [], ops: [{ op: 'deleteChain', name: 'no' }], code: 'ENOENT' },
  { name: 'flushing an absent chain', given: [], ops: [{ op: 'flushChain', name: 'no' }], code: 'ENOENT' },
  {
    name: 'deleting an absent rule',
    given: [base],
    ops: [{ op: 'deleteRule', chain: 'base', handle: 99 }],
    code: 'ENOENT',
  },
  { name: 'deleting an absent set', given: [], ops: [{ op: 'deleteSet', name: 'no' }], code: 'ENOENT' },
  { name: 'flushing an absent set', given: [], ops: [{ op: 'flushSet', name: 'no' }], code: 'ENOENT' },
  { name: 'deleting an absent counter', given: [], ops: [{ op: 'deleteCounter', name: 'no' }], code: 'ENOENT' },
  { name: 'a rule in an absent chain', given: [], ops: [rule('no', verdict('accept'))], code: 'ENOENT' },
  { name: 'a jump to an absent chain', given: [base], ops: [rule('base', jumpTo('no'))], code: 'ENOENT' },
  { name: 'a lookup in an absent set', given: [base], ops: [rule('base', loadSource, inV4)], code: 'ENOENT' },
  {
    name: 'a reference to an absent counter',
    given: [base],
    ops: [rule('base', { kind: 'objref', type: 'counter', name: 'no' })],
    code: 'ENOENT',
  },
  {
    name: 'an element of an absent set',
    given: [],
    ops: [{ op: 'addElements', set: 'no', elements: [a] }],
    code: 'ENOENT',
  },
  {
    name: 'deleting an absent element',
    given: [
      { op: 'addSet', set: v4 },
      { op: 'addElements', set: 'v4', elements: [a] },
    ],
    ops: [{ op: 'deleteElements', set: 'v4', elements: [a, b] }],
    code: 'ENOENT',
  },
  {
    name: 'an element that jumps to an absent chain',
    given: [{ op: 'addSet', set: pods }],
    ops: [{ op: 'addElements', set: 'pods', elements: [{ key: ifnameBytes('cali0'), data: jump('no') }] }],
    code: 'ENOENT',
  },
  {
    name: 'deleting a chain that a rule jumps to',
    given: [base, chain('to'), rule('base', jumpTo('to'))],
    ops: [{ op: 'deleteChain', name: 'to' }],
    code: 'EBUSY',
  },
  {
    name: 'deleting a chain that an element jumps to',
    given: [
      chain('to'),
      { op: 'addSet', set: pods },
      { op: 'addElements', set: 'pods', elements: [{ key: ifnameBytes('cali0'), data: jump('to') }] },
    ],
    ops: [{ op: 'deleteChain', name: 'to' }],
    code: 'EBUSY',
  },
  {
    name: 'deleting a set that a rule looks up',
    given: [base, { op: 'addSet', set: v4 }, rule('base', loadSource, inV4)],
    ops: [{ op: 'deleteSet', name: 'v4' }],
    code: 'EBUSY',
  },
  {
    name: 'deleting a counter that a rule counts on',
    given: [base, { op: 'addCounter', name: 'c' }, rule('base', { kind: 'objref', type: 'counter', name: 'c' })],
    ops: [{ op: 'deleteCounter', name: 'c' }],
    code: 'EBUSY',
  },
  {
    name: 'an element with another verdict under the same key',
    given: [
      { op: 'addSet', set: pods },
      { op: 'addElements', set: 'pods', elements: [{ key: ifnameBytes('cali0'), data: { kind: 'drop' } }] },
    ],
    ops: [{ op: 'addElements', set: 'pods', elements: [{ key: ifnameBytes('cali0'), data: { kind: 'accept' } }] }],
    code: 'EEXIST',
  },
  {
    name: 'a jump to a base chain',
    given: [base, chain('from')],
    ops: [rule('from', jumpTo('base'))],
    code: 'EOPNOTSUPP',
  },
  {
    name: 'chains that jump in a circle',
    given: [base, chain('x'), chain('y'), rule('x', jumpTo('y')), rule('base', jumpTo('x'))],
    ops: [rule('y', jumpTo('x'))],
    code: 'EMLINK',
  },
  {
    name: 'chains nested deeper than sixteen',
    given: [
      base,
      ...Array.from({ length: 17 }, (_, i) => chain(`c${i}`)),
      ...Array.from({ length: 16 }, (_, i) => rule(`c${i}`, jumpTo(`c${i + 1}`))),
    ],
    ops: [rule('base', jumpTo('c0'))],
    code: 'EMLINK',
  },
  {
    name: 'masquerade outside of a nat chain',
    given: [base],
    ops: [rule('base', { kind: 'masquerade' })],
    code: 'EOPNOTSUPP',
  },
  {
    name: 'a nat chain on forward',
    given: [],
    ops: [{ op: 'addChain', chain: { name: 'n', hook: 'forward', type: 'nat' } }],
    code: 'EOPNOTSUPP',
  },
  {
    name: 'a rule that reads an empty register',
    given: [base, { op: 'addSet', set: v4 }],
    ops: [rule('base', inV4)],
    code: 'ENODATA',
  },
  {
    name: 'a verdict asked of a plain set',
    given: [base, { op: 'addSet', set: v4 }],
    ops: [rule('base', loadSource, { ...inV4, dreg: 0 })],
    code: 'EINVAL',
  },
  {
    name: 'a key of the wrong length',
    given: [{ op: 'addSet', set: v4 }],
    ops: [{ op: 'addElements', set: 'v4', elements: [{ key: ip('fd00::1') }] }],
    code: 'EINVAL',
  },
  {
    name: 'an interval within another',
    given: [
      { op: 'addSet', set: cidrs },
      { op: 'addElements', set: 'cidrs', elements: [range('10.0.0.0', '10.0.0.255')] },
    ],
    ops: [{ op: 'addElements', set: 'cidrs', elements: [range('10.0.0.16', '10.0.0.31')] }],
    code: 'EEXIST',
  },
  {
    name: 'an interval around another',
    given: [
      { op: 'addSet', set: cidrs },
      { op: 'addElements', set: 'cidrs', elements: [range('10.0.0.16', '10.0.0.31')] },
    ],
    ops: [{ op: 'addElements', set: 'cidrs', elements: [range('10.0.0.0', '10.0.0.255')] }],
    code: 'EEXIST',
  },
  {
    name: 'an interval that crosses another',
    given: [
      { op: 'addSet', set: cidrs },
      { op: 'addElements', set: 'cidrs', elements: [range('10.0.0.16', '10.0.0.31')] },
    ],
    ops: [{ op: 'addElements', set: 'cidrs', elements: [range('10.0.0.20', '10.0.0.40')] }],
    code: 'EEXIST',
  },
  {
    name: 'a narrow range of a concatenation within a wide one',
    given: [
      { op: 'addSet', set: portRanges },
      { op: 'addElements', set: 'ports', elements: [portRange('10.0.0.0', '10.0.0.255', 80, 90)] },
    ],
    ops: [{ op: 'addElements', set: 'ports', elements: [portRange('10.0.0.5', '10.0.0.5', 85, 85)] }],
    code: 'EEXIST',
  },
  {
    name: 'a range in a set without intervals',
    given: [{ op: 'addSet', set: v4 }],
    ops: [{ op: 'addElements', set: 'v4', elements: [range('10.0.0.0', '10.0.0.9')] }],
    code: 'EINVAL',
  },
  {
    name: 'an interval from high to low',
    given: [{ op: 'addSet', set: cidrs }],
    ops: [{ op: 'addElements', set: 'cidrs', elements: [range('10.0.0.9', '10.0.0.0')] }],
    code: 'EINVAL',
  },
  {
    name: 'an element of a full set',
    given: [
      { op: 'addSet', set: { ...v4, size: 1 } },
      { op: 'addElements', set: 'v4', elements: [a] },
    ],
    ops: [{ op: 'addElements', set: 'v4', elements: [b] }],
    code: 'ENFILE',
  },
  {
    name: 'operations after a wrong one, named by its position',
    given: [base],
    ops: [chain('x'), { op: 'deleteChain', name: 'no' }, chain('y')],
    code: 'ENOENT',
    at: 1,
  },
];

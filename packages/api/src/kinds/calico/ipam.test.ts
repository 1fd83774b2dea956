import { expect, test } from 'bun:test';
import { untyped, validationCases } from '../../testing.ts';
import { BlockAffinity } from './block-affinity.ts';
import { IPReservation } from './ip-reservation.ts';
import { IPAMBlock } from './ipam-block.ts';
import { IPAMConfiguration } from './ipam-configuration.ts';
import { IPAMHandle } from './ipam-handle.ts';

test.each([
  ...validationCases<IPAMBlock>(
    IPAMBlock,
    [
      { name: 'the example', change: () => {} },
      { name: 'a block that is free', change: b => (b.spec.affinity = null) },
      { name: 'a sequence number of 64 bits', change: b => (b.spec.sequenceNumber = 2n ** 64n - 1n) },
    ],
    [
      {
        name: 'a sequence number of 65 bits',
        change: b => (b.spec.sequenceNumber = 2n ** 64n),
        path: 'spec.sequenceNumber',
        value: 2n ** 64n,
        allowed: 'at most',
      },
      {
        name: 'an owner without a kind',
        change: b => (b.spec.affinity = 'node-1'),
        path: 'spec.affinity',
        value: 'node-1',
        allowed: '"host:<node>"',
      },
      {
        name: 'entries missing',
        change: b => b.spec.allocations.pop(),
        path: 'spec.allocations',
        value: 3,
        allowed: 'one entry for each of the 4',
      },
      {
        name: 'an index to nowhere',
        change: b => (b.spec.allocations[1] = 7),
        path: 'spec.allocations[1]',
        value: 7,
        allowed: 'the 1 attributes',
      },
      {
        name: 'an ordinal beyond the block',
        change: b => b.spec.unallocated.push(4),
        path: 'spec.unallocated[3]',
        value: 4,
        allowed: 'less than 4',
      },
      {
        name: 'a free ordinal that is taken',
        change: b => b.spec.unallocated.push(1),
        path: 'spec.unallocated[3]',
        value: 1,
        allowed: 'free in allocations',
      },
    ],
  ),
  ...validationCases<BlockAffinity>(
    BlockAffinity,
    [
      { name: 'the example', change: () => {} },
      { name: 'the old spelling of confirmed', change: a => (a.spec.state = '') },
    ],
    [
      {
        name: 'a state that is none',
        change: a => (a.spec.state = untyped('done')),
        path: 'spec.state',
        value: 'done',
        allowed: '"pendingDeletion"',
      },
      { name: 'nobody', change: a => (a.spec.node = ''), path: 'spec.node', value: '', allowed: 'at least 1' },
      {
        name: 'an owner of no kind',
        change: a => (a.spec.type = untyped('pod')),
        path: 'spec.type',
        value: 'pod',
        allowed: '"host", "virtual"',
      },
    ],
  ),
  ...validationCases<IPAMHandle>(
    IPAMHandle,
    [{ name: 'the example', change: () => {} }],
    [
      { name: 'no ID', change: h => (h.spec.handleID = ''), path: 'spec.handleID', value: '', allowed: 'at least 1' },
      {
        name: 'a block that is no CIDR',
        change: h => (h.spec.block = { a: 1 }),
        path: 'spec.block',
        value: 'a',
        allowed: 'the CIDR of a block',
      },
      {
        name: 'part of an address',
        change: h => (h.spec.block = { '10.0.0.0/26': 0.5 }),
        path: 'spec.block[10.0.0.0/26]',
        value: 0.5,
        allowed: 'a whole number',
      },
    ],
  ),
  ...validationCases<IPAMConfiguration>(
    IPAMConfiguration,
    [
      { name: 'the example', change: () => {} },
      { name: 'an empty spec', change: c => (c.spec = untyped({})) },
      {
        name: 'no blocks by themselves, strictly',
        change: c => Object.assign(c.spec, { strictAffinity: true, autoAllocateBlocks: false }),
      },
    ],
    [
      {
        name: 'another name',
        change: c => (c.metadata.name = 'mine'),
        path: 'metadata.name',
        value: 'mine',
        allowed: '"default"',
      },
      {
        name: 'no way to an address',
        change: c => (c.spec.autoAllocateBlocks = false),
        path: 'spec.autoAllocateBlocks',
        value: false,
        allowed: 'must be true unless',
      },
      {
        name: 'too many blocks',
        change: c => (c.spec.maxBlocksPerHost = 1000001),
        path: 'spec.maxBlocksPerHost',
        value: 1000001,
        allowed: 'from 0 to 1000000',
      },
      {
        name: 'too long a rest',
        change: c => (c.spec.ipCooldownSeconds = 1201),
        path: 'spec.ipCooldownSeconds',
        value: 1201,
        allowed: 'from 0 to 1200',
      },
    ],
  ),
  ...validationCases<IPReservation>(
    IPReservation,
    [{ name: 'the example', change: () => {} }],
    [
      {
        name: 'a range',
        change: r => (r.spec.reservedCIDRs = ['10.0.0.1-10.0.0.9']),
        path: 'spec.reservedCIDRs[0]',
        value: '10.0.0.1-10.0.0.9',
        allowed: 'a CIDR',
      },
    ],
  ),
])('$name', ({ got, want }) => {
  expect(got()).toEqual(want);
});

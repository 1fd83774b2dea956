import { describe, expect, test } from 'bun:test';
import { addr, type Cidr, cidr, maskCidr, printCidr } from '@calico/ip';
import fc from 'fast-check';
import { affinityName, blockName } from '../block-names.ts';
import { affinityLabels, keyCidr, parseAffinityName, parseBlockName, parseKeyCidr } from './ipam-names.ts';

const four = fc
  .tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 32 }))
  .map(([value, length]): Cidr => maskCidr({ addr: { family: 4, value: BigInt(value) }, length }));
const six = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.integer({ min: 0, max: 128 }))
  .map(([value, length]): Cidr => maskCidr({ addr: { family: 6, value }, length }));
const anyCidr = fc.oneof(four, six);

describe('names of blocks and affinities', () => {
  test('a block is found by its name, and by its key', () => {
    fc.assert(
      fc.property(anyCidr, block => {
        expect(parseBlockName(blockName(block))).toEqual(block);
        expect(parseKeyCidr(keyCidr(block))).toEqual(block);
      }),
    );
  });

  for (const name of ['', '-', '10-0-0-26', '10-0-0-1-26', '010-0-0-0-26', 'fd00---', 'fd00--0-122', '10-0-0-0-33']) {
    test(`"${name}" is the name of no block`, () => expect(parseBlockName(name)).toBeUndefined());
  }

  test('among the readings of an affinity name is the one that made it', () => {
    const node = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
    fc.assert(
      fc.property(node, anyCidr, (owner, block) => {
        expect(parseAffinityName(affinityName(owner, block))).toContainEqual({ node: owner, cidr: block });
      }),
    );
  });

  test('a name may have several readings, as "-" stands for more than one thing', () => {
    const readings = parseAffinityName('node-1-fd00---122').map(
      ({ node, cidr: block }) => `${node} ${printCidr(block)}`,
    );
    expect(readings).toEqual(['node 1:fd00::/122', 'node-1 fd00::/122']);
  });

  test('the labels are those by which IPAM lists', () => {
    const block = { addr: addr('10.0.0.0'), length: 26 };
    expect(affinityLabels({ type: 'host', node: 'node-a' }, block)).toEqual({
      'projectcalico.org/hostname-hash': 'PY3TQE2E3XMTETLM2MJO3UITKPFB27YUJ4T4E5XGPEJON3SM4QAA',
      'projectcalico.org/affinity-type': 'host',
      'projectcalico.org/ip-version': '4',
    });
    expect(affinityName('node-a', cidr('10.0.0.0/26'))).toBe('node-a-10-0-0-0-26');
  });
});

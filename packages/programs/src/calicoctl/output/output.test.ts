import { describe, expect, test } from 'bun:test';
import { printBoxTable } from './box-table.ts';
import { printColumns } from './columns.ts';
import { printFive, printShare } from './numbers.ts';
import { exported, printJsonObjects, printYamlObjects, withoutManagedFields } from './objects.ts';

test('columns are padded by three, the last one too, and an empty line follows', () => {
  const table = printColumns([
    ['NAME', 'X'],
    ['default-ipv4-ippool', ''],
    ['ü', 'abc'],
  ]);
  expect(table).toBe(
    ['NAME                  X     ', 'default-ipv4-ippool         ', 'ü                     abc   ', '', ''].join('\n'),
  );
});

test('a framed table centres headings and puts numbers on the right', () => {
  const table = printBoxTable(
    ['Property', 'Value'],
    [
      ['StrictAffinity', 'false'],
      ['MaxBlocksPerHost', '20'],
    ],
  );
  expect(table).toBe(
    [
      '+------------------+-------+',
      '|     PROPERTY     | VALUE |',
      '+------------------+-------+',
      '| StrictAffinity   | false |',
      '| MaxBlocksPerHost |    20 |',
      '+------------------+-------+',
      '',
    ].join('\n'),
  );
  expect(printBoxTable(['IP'], [])).toBe('+----+\n| IP |\n+----+\n');
});

describe('numbers', () => {
  const fives: [number, string][] = [
    [0, '0'],
    [64, '64'],
    [65536, '65536'],
    [99999.9, '1e+05'],
    [1048576, '1.0486e+06'],
    [2 ** 80, '1.2089e+24'],
  ];
  test.each(fives)('%p has five digits: %p', (value, text) => expect(printFive(value)).toBe(text));

  const shares: [number, number, string][] = [
    [5, 64, '5 (8%)'],
    [8, 64, '8 (12%)'],
    [24, 64, '24 (38%)'],
    [0, 0, '0 (0%)'],
    [65536, 65536, '65536 (100%)'],
  ];
  test.each(shares)('%p of %p is %p', (part, whole, text) => expect(printShare(part, whole)).toBe(text));
});

describe('objects', () => {
  test('JSON begins with kind and apiVersion, also in lists, and ends without a newline', () => {
    const item = { metadata: { name: 'a' }, apiVersion: 'g/v3', spec: {}, kind: 'Thing' };
    const list = { items: [item], metadata: {}, apiVersion: 'g/v3', kind: 'ThingList' };
    expect(JSON.stringify(JSON.parse(printJsonObjects(list)))).toBe(
      '{"kind":"ThingList","apiVersion":"g/v3","metadata":{},"items":[{"kind":"Thing","apiVersion":"g/v3","metadata":{"name":"a"},"spec":{}}]}',
    );
    expect(printJsonObjects([item]).endsWith(']')).toBe(true);
  });

  test('integers beyond 2^53 are whole in JSON and YAML', async () => {
    const value = { sequenceNumber: 1763704527000000001n };
    expect(printJsonObjects(value)).toBe('{\n  "sequenceNumber": 1763704527000000001\n}');
    expect(await printYamlObjects(value)).toBe('sequenceNumber: 1763704527000000001\n');
  });

  test('YAML quotes what readers of YAML 1.1 take for something else', async () => {
    expect(await printYamlObjects({ b: 'yes', a: '2026-01-01T00:00:00Z', c: "app == 'web'", d: ['x'] })).toBe(
      'a: "2026-01-01T00:00:00Z"\nb: "yes"\nc: app == \'web\'\nd:\n- x\n',
    );
  });

  test('an exported object keeps what its owner decided', () => {
    const metadata = {
      name: 'a',
      namespace: 'shop',
      uid: 'u',
      resourceVersion: '7',
      generation: 2,
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { x: 'y' },
    };
    expect(exported({ apiVersion: 'g/v3', kind: 'Thing', metadata, spec: 1 })).toEqual({
      apiVersion: 'g/v3',
      kind: 'Thing',
      metadata: { name: 'a', labels: { x: 'y' } },
      spec: 1,
    });
  });
});

test('the server’s notes on who set which field are left out', () => {
  const metadata = { name: 'a', managedFields: [{ manager: 'kubectl' }] };
  const resource = { apiVersion: 'projectcalico.org/v3', kind: 'Tier', metadata, spec: {} };
  expect(withoutManagedFields(resource)).toEqual({ ...resource, metadata: { name: 'a' } });
});

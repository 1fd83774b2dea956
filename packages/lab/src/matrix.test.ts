import { describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '@calico/api';
import { type Cell, pairsOf, printMatrix, tcpPorts, toCells, wrongCells } from './matrix.ts';
import type { PodReport } from './protocol.ts';

const golden = join(import.meta.dir, '../testdata/matrix.golden');

const pod = (ports: unknown) => ({ spec: { containers: [{ name: 'c', ports }, { name: 'd' }] } }) as unknown as Pod;
const running = (key: string, node: string, ip: string): PodReport => ({ key, node, ips: [ip], netns: '', addMs: 1 });
const cell = (from: string, to: string, expected: Cell['expected'], found: Cell['found'] = expected): Cell => ({
  from,
  to,
  port: 80,
  sameNode: true,
  expected,
  found,
});

test('tcpPorts gives the TCP ports of all containers, TCP being the default', () => {
  expect(
    tcpPorts(pod([{ containerPort: 1 }, { containerPort: 2, protocol: 'TCP' }, { containerPort: 3, protocol: 'UDP' }])),
  ).toEqual([1, 2]);
  expect(tcpPorts(undefined)).toEqual([]);
});

test('pairsOf connects every pod to every other, never to itself, and leaves out pods without an address', () => {
  const pods = [running('x/a', 'n1', '10.0.0.1'), running('x/b', 'n1', '10.0.0.2'), running('x/c', 'n2', '10.0.0.3')];
  const objects = new Map(pods.map(({ key }) => [key, pod([{ containerPort: 80 }, { containerPort: 81 }])] as const));
  const pairs = pairsOf([...pods, { ...running('x/d', 'n2', ''), ips: [] }], objects);
  expect(pairs).toHaveLength(3 * 2 * 2);
  expect(pairs.filter(pair => pair.sameNode).map(pair => `${pair.from} ${pair.to}:${pair.port}`)).toEqual([
    'x/a x/b:80',
    'x/a x/b:81',
    'x/b x/a:80',
    'x/b x/a:81',
  ]);
  expect(pairs[0]?.probe).toEqual({ from: { pod: 'x/a' }, address: '10.0.0.2', port: 80 });
});

test.each([
  ['open', 'open'],
  ['refused', 'closed'],
  ['silent', 'closed'],
  ['unreachable', 'closed'],
] as const)('toCells: a connection that was %s is %s', (fate, found) => {
  const pods = [running('x/a', 'n1', '10.0.0.1'), running('x/b', 'n1', '10.0.0.2')];
  const pairs = pairsOf(pods, new Map([['x/b', pod([{ containerPort: 80 }])]]));
  const cells = toCells(pairs, [fate], () => true);
  expect(cells).toEqual([cell('x/a', 'x/b', 'open', found)]);
  expect(wrongCells(cells)).toHaveLength(found === 'open' ? 0 : 1);
});

describe('printMatrix', () => {
  const cases: readonly { readonly name: string; readonly cells: readonly Cell[] }[] = [
    { name: 'nothing', cells: [] },
    {
      name: 'one namespace is not shown, and of a Deployment with one pod only its name',
      cells: [
        cell('shop/web-abcdefghi-12345', 'shop/db-abcdefghi-12345', 'open'),
        cell('shop/db-abcdefghi-12345', 'shop/web-abcdefghi-12345', 'closed'),
        cell('shop/idle', 'shop/db-abcdefghi-12345', 'closed'),
        cell('shop/idle', 'shop/web-abcdefghi-12345', 'open'),
      ],
    },
    {
      name: 'several namespaces and several pods of a Deployment are told apart',
      cells: [
        cell('a/web-abcdefghi-11111', 'a/web-abcdefghi-22222', 'open'),
        cell('a/web-abcdefghi-22222', 'a/web-abcdefghi-11111', 'open'),
        cell('b/web-abcdefghi-11111', 'a/web-abcdefghi-22222', 'closed'),
        cell('b/web-abcdefghi-11111', 'a/web-abcdefghi-11111', 'closed'),
      ],
    },
    {
      name: 'cells against the expectation catch the eye',
      cells: [cell('x/a', 'x/b', 'open', 'closed'), cell('x/b', 'x/a', 'closed', 'open'), cell('x/c', 'x/a', 'open')],
    },
  ];

  test('is as reviewed (UPDATE_GOLDEN=1 rewrites it)', () => {
    const text = cases.map(({ name, cells }) => `# ${name}\n${printMatrix(cells)}\n`).join('\n');
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
    expect(text).toBe(readFileSync(golden, 'utf8'));
  });
});

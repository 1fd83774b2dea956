import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Matrix, parseMatrices, printMatrix } from './matrix.ts';
import { onlineBoutique } from './online-boutique.ts';

const golden = join(import.meta.dirname, 'testdata/online-boutique.golden');
const matrices = onlineBoutique();

test('the oracle gives the reviewed table of the Online Boutique (UPDATE_GOLDEN=1 rewrites it)', () => {
  const text = matrices.map(printMatrix).join('\n');
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
  expect(text).toBe(readFileSync(golden, 'utf8'));
});

test('the table reads back as it was printed', () => {
  expect(parseMatrices(readFileSync(golden, 'utf8'))).toEqual(matrices);
});

test('without policies everything is open', () => {
  expect(matrices[0]?.cells.flat().filter(cell => cell === 'denied')).toEqual([]);
});

/** The application's calls, read off the `*_ADDR` settings in its manifests, not off its policies. */
const callers: Record<string, string[]> = {
  'adservice:9555': ['frontend'],
  'cartservice:7070': ['checkoutservice', 'frontend'],
  'checkoutservice:5050': ['frontend'],
  'currencyservice:7000': ['checkoutservice', 'frontend'],
  'emailservice:8080': ['checkoutservice'],
  'paymentservice:50051': ['checkoutservice'],
  'productcatalogservice:3550': ['checkoutservice', 'frontend', 'recommendationservice'],
  'recommendationservice:8080': ['frontend'],
  'redis-cart:6379': ['cartservice'],
  'shippingservice:50051': ['checkoutservice', 'frontend'],
};

test('with policies every service is open to its callers and nobody else, the frontend to all', () => {
  const matrix = matrices[1] as Matrix;
  expect(matrix.rows).toHaveLength(13);
  const open = Object.fromEntries(
    matrix.columns.map((column, index) => [
      column,
      matrix.rows.filter((_, row) => matrix.cells[row]?.[index] === 'allowed').sort(),
    ]),
  );
  const everyone = matrix.rows.filter(row => row !== 'frontend').sort();
  expect(open).toEqual({ ...callers, 'frontend:8080': everyone });
});

import { expect, test } from 'bun:test';
import { decodeProtobuf } from './decode.ts';
import { protobufMessages } from './messages.ts';

/** Hand-made encodings: a tag byte is (number << 3 | wire type); lengths here are below 128. */
const bytes = (number: number, content: Uint8Array | string): Uint8Array => {
  const body = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return Uint8Array.of(
    ...(number < 16 ? [(number << 3) | 2] : [((number << 3) & 0x7f) | 2 | 0x80, number >> 4]),
    body.length,
    ...body,
  );
};
const varint = (number: number, value: number): Uint8Array => Uint8Array.of(number << 3, value);
const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap(part => [...part]));
const envelope = (apiVersion: string, kind: string, raw: Uint8Array): Uint8Array =>
  join(new TextEncoder().encode('k8s\0'), bytes(1, join(bytes(1, apiVersion), bytes(2, kind))), bytes(2, raw));
const decode = (data: Uint8Array) => decodeProtobuf(data, protobufMessages);

test('decodeProtobuf reads a namespace and drops what is zero', () => {
  const metadata = join(bytes(1, 'shop'), bytes(2, ''), bytes(8, ''), bytes(11, join(bytes(1, 'k'), bytes(2, 'v'))));
  const raw = join(bytes(1, metadata), bytes(2, ''), bytes(3, bytes(1, '')));
  expect(decode(envelope('v1', 'Namespace', raw))).toEqual({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop', labels: { k: 'v' } },
  });
});

test('decodeProtobuf keeps a zero that is meant, and reads int-or-string, bytes and lists', () => {
  const deployment = bytes(2, join(varint(1, 0), varint(5, 0)));
  expect(decode(envelope('apps/v1', 'Deployment', deployment)).spec).toEqual({ replicas: 0 });
  const port = (target: Uint8Array) => bytes(1, join(varint(3, 80), bytes(4, target)));
  const service = bytes(2, join(port(join(varint(1, 0), varint(2, 81))), port(join(varint(1, 1), bytes(3, 'http')))));
  expect(decode(envelope('v1', 'Service', service)).spec).toEqual({
    ports: [
      { port: 80, targetPort: 81 },
      { port: 80, targetPort: 'http' },
    ],
  });
  const secret = bytes(2, join(bytes(1, 'k'), bytes(2, Uint8Array.of(255, 0))));
  expect(decode(envelope('v1', 'Secret', secret)).data).toEqual({ k: '/wA=' });
});

test.each([
  { name: 'without the magic', data: new TextEncoder().encode('k9s'), code: 400 },
  { name: 'of an unknown type', data: envelope('v1', 'Unicorn', new Uint8Array()), code: 415 },
  { name: 'named like an inherited property', data: envelope('', 'constructor', new Uint8Array()), code: 415 },
  { name: 'with a field that is not known', data: envelope('v1', 'Namespace', varint(9, 1)), code: 415 },
  { name: 'that breaks off', data: envelope('v1', 'Namespace', Uint8Array.of(10, 50, 1)), code: 400 },
  { name: 'with invalid text', data: envelope('v1', 'Namespace', bytes(1, bytes(1, Uint8Array.of(255)))), code: 400 },
])('decodeProtobuf refuses an object $name with $code', ({ data, code }) => {
  expect(() => decode(data)).toThrow(expect.objectContaining({ code }));
});

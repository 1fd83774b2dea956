import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checked, libc } from '../netlink/libc.ts';
import { connectUnixDatagrams, unixAddress } from './unix-datagrams.ts';

const folder = mkdtempSync(join(tmpdir(), 'unix-datagrams-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'log');
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A socket that datagrams come to. */
function listener() {
  const fd = checked(libc.socket(1, 2, 0), 'open unix socket');
  const address = unixAddress(path);
  checked(libc.bind(fd, address, address.length), 'bind');
  const buffer = new Uint8Array(65_536);
  return {
    take(): string | undefined {
      const length = libc.recv(fd, buffer, buffer.length, 0x40);
      return length < 0 ? undefined : text(buffer.subarray(0, length));
    },
    close() {
      libc.close(fd);
      rmSync(path);
    },
  };
}

test('datagrams arrive whole, and one for which there is no room does not wait', () => {
  const there = listener();
  const way = connectUnixDatagrams(path);
  for (const each of ['one', 'two']) expect(way.send(new TextEncoder().encode(each))).toBe(true);
  expect([there.take(), there.take(), there.take()]).toEqual(['one', 'two', undefined]);
  const full = Array.from({ length: 100_000 }, (_, i) => i).find(() => !way.send(new Uint8Array(1_000)));
  expect(full).toBeGreaterThan(0);
  way.close();
  there.close();
});

test('where nobody is, that is said: at once, or with the first datagram after the other end has gone', () => {
  expect(() => connectUnixDatagrams(path)).toThrow('ENOENT');
  const there = listener();
  const way = connectUnixDatagrams(path);
  there.close();
  expect(() => way.send(new Uint8Array(1))).toThrow(/ECONNREFUSED|ENOTCONN/);
  way.close();
});

import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startForwarder } from './forwarder.ts';

const folder = mkdtempSync(join(tmpdir(), 'forwarder-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
let serial = 0;

/** A unix server behind a forwarder; `serve` handles its connections. */
async function behindForwarder(serve: (socket: Socket) => void, work: (port: number) => Promise<void>): Promise<void> {
  const path = join(folder, `${serial++}.sock`);
  const server: Server = createServer({ allowHalfOpen: true }, serve);
  await new Promise<void>(resolve => server.listen(path, resolve));
  const forwarder = startForwarder('127.0.0.1', 0, path);
  try {
    await work(forwarder.port);
  } finally {
    forwarder.stop();
    server.close();
  }
}

/** Bytes that differ everywhere, so that a lost or swapped part shows. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, x = seed; i < length; i += 4) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE(x, i);
  }
  return bytes;
}

const digest = (bytes: Iterable<Uint8Array>) => {
  const hash = new Bun.CryptoHasher('sha256');
  for (const part of bytes) hash.update(part);
  return hash.digest('hex');
};

/** What comes until the other side has said all; the socket stays open for writing. */
function readAll(socket: Socket): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
  socket.on('data', part => parts.push(Buffer.from(part)));
  socket.on('end', () => resolve(parts));
  socket.on('error', reject);
  socket.resume();
  return promise;
}

const size = 50 * 1024 * 1024;

test('50 MB go both ways at once and come whole', async () => {
  const [up, down] = [pattern(size, 1), pattern(size, 2)];
  const received = Promise.withResolvers<string>();
  const serve = (socket: Socket) => {
    readAll(socket).then(parts => received.resolve(digest(parts)), received.reject);
    socket.end(down);
  };
  await behindForwarder(serve, async port => {
    const client = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
    client.end(up);
    expect(digest(await readAll(client))).toBe(digest([down]));
    expect(await received.promise).toBe(digest([up]));
  });
}, 20_000);

test('a client that does not read stops the server, and gets all once it reads', async () => {
  const bytes = pattern(size, 3);
  let accepted = () => 0;
  const serve = (socket: Socket) => {
    accepted = () => socket.bytesWritten - socket.writableLength;
    socket.on('error', () => undefined);
    let at = 0;
    const more = () => {
      while (at < size) {
        const end = at + 65536;
        const part = bytes.subarray(at, end);
        at = end;
        if (!socket.write(part)) return;
      }
      socket.end();
    };
    socket.on('drain', more);
    more();
  };
  await behindForwarder(serve, async port => {
    const client = createConnection({ port, host: '127.0.0.1' });
    client.pause();
    let last = -1;
    // Standing still over many turns of the event loop: nobody takes any more.
    for (let still = 0; still < 20; ) {
      await new Promise(resolve => setTimeout(resolve, 5));
      still = accepted() > 0 && accepted() === last ? still + 1 : 0;
      last = accepted();
    }
    expect(last).toBeLessThan(size / 2);
    expect(digest(await readAll(client))).toBe(digest([bytes]));
  });
}, 20_000);

test('a client that has said all still hears the answer', async () => {
  const serve = (socket: Socket) => {
    void readAll(socket).then(parts => socket.end(`heard ${Buffer.concat(parts)}`));
  };
  await behindForwarder(serve, async port => {
    const client = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
    client.end('a question');
    expect(Buffer.concat(await readAll(client)).toString()).toBe('heard a question');
  });
});

test('a server that has said all still hears the client', async () => {
  const heard = Promise.withResolvers<string>();
  const serve = (socket: Socket) => {
    socket.end('greeting');
    void readAll(socket).then(parts => heard.resolve(Buffer.concat(parts).toString()));
  };
  await behindForwarder(serve, async port => {
    const client = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
    expect(Buffer.concat(await readAll(client)).toString()).toBe('greeting');
    client.end('late words');
    expect(await heard.promise).toBe('late words');
  });
});

test('the end of one side is the end of the other', async () => {
  const closed = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<Socket>();
  const serve = (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => closed.resolve());
    socket.on('end', () => socket.end());
    socket.resume();
    opened.resolve(socket);
  };
  await behindForwarder(serve, async port => {
    const client = createConnection({ port, host: '127.0.0.1' });
    await opened.promise;
    client.destroy();
    await closed.promise;
  });
});

test('where nothing listens behind it, the client is closed', async () => {
  const forwarder = startForwarder('127.0.0.1', 0, join(folder, 'absent.sock'));
  const client = createConnection({ port: forwarder.port, host: '127.0.0.1' });
  const closed = new Promise<void>(resolve => client.on('close', () => resolve()));
  client.on('error', () => undefined);
  await closed;
  forwarder.stop();
});

import { expect, test } from 'bun:test';
import { type Handlers, LineRpc } from './line-rpc.ts';

/** One direction of a pipe: what is written comes out in pieces of `size` bytes. */
function pipe(size: number) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, { highWaterMark: 1e6 });
  const writer = writable.getWriter();
  return {
    input: readable as unknown as AsyncIterable<Uint8Array>,
    write(text: string) {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length; at += size) void writer.write(bytes.subarray(at, at + size));
    },
    end: () => void writer.close(),
  };
}

/** Two sides that talk to each other. */
function twoSides(left: Handlers, right: Handlers, size = 1e6) {
  const [toLeft, toRight] = [pipe(size), pipe(size)];
  return {
    left: new LineRpc({ input: toLeft.input, write: toRight.write }, left),
    right: new LineRpc({ input: toRight.input, write: toLeft.write }, right),
    endLeft: toLeft.end,
    writeToLeft: toLeft.write,
  };
}

test('LineRpc: both sides ask and are answered, whatever the pieces that the bytes come in', async () => {
  for (const size of [1, 2, 3, 7, 1e6]) {
    const add = ({ a, b }: { a: number; b: number }) => a + b;
    const greet = async ({ name }: { name: string }) => `hällo 🦦 ${name}\nsecond line`;
    const { left, right } = twoSides({ add }, { greet }, size);
    expect(await left.request<string>('greet', { name: 'otter' })).toBe('hällo 🦦 otter\nsecond line');
    expect(await right.request<number>('add', { a: 1, b: 2 })).toBe(3);
  }
});

test('LineRpc: answers find their questions in any order', async () => {
  const gates = new Map<number, () => void>();
  const wait = ({ n }: { n: number }) => new Promise(resolve => gates.set(n, () => resolve(n)));
  const { left } = twoSides({}, { wait, count: () => gates.size });
  const answers = [1, 2, 3].map(n => left.request<number>('wait', { n }));
  expect(await left.request<number>('count')).toBe(3);
  for (const n of [3, 1, 2]) gates.get(n)?.();
  expect(await Promise.all(answers)).toEqual([1, 2, 3]);
});

test('LineRpc: an error of the other side is told, and no answer is null', async () => {
  const { left } = twoSides(
    {},
    {
      fail: () => {
        throw new Error('Cannot open the box: it is nailed');
      },
      nothing: () => undefined,
    },
  );
  await expect(left.request('fail')).rejects.toThrow('Cannot open the box: it is nailed');
  await expect(left.request('absent')).rejects.toThrow('Cannot answer "absent": allowed: fail, nothing');
  expect(await left.request<null>('nothing')).toBeNull();
});

test('LineRpc: at the end of the pipe open requests are rejected, later ones at once', async () => {
  const { left, endLeft } = twoSides({}, { never: () => new Promise(() => undefined) });
  const open = left.request('never');
  endLeft();
  await expect(open).rejects.toThrow('the other half of the lab has ended');
  await left.closed;
  await expect(left.request('never')).rejects.toThrow('the other half of the lab has ended');
});

test('LineRpc: an answer that is ready after the end of the pipe is dropped', async () => {
  let finish: (value: string) => void = () => undefined;
  const written: string[] = [];
  const toLeft = pipe(1e6);
  const slow = () => new Promise<string>(resolve => (finish = resolve));
  const left = new LineRpc({ input: toLeft.input, write: text => void written.push(text) }, { slow });
  toLeft.write('{"id":1,"method":"slow","params":{}}\n');
  toLeft.end();
  await left.closed;
  finish('too late');
  await Promise.resolve();
  expect(written).toEqual([]);
});

test('LineRpc: what is no JSON ends the conversation, and open requests with it', async () => {
  const { left, writeToLeft } = twoSides({}, { never: () => new Promise(() => undefined) });
  const open = left.request('never');
  writeToLeft('a stray line\n');
  await expect(open).rejects.toThrow("the other half of the lab can't be understood");
  await left.closed;
});

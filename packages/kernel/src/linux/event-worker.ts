/**
 * The thread that waits for kernel notifications, so that the main one never does. It is loaded as a plain file (import
 * attribute `type: 'file'`), which compiled executables embed as it is: so it imports only the runtime's own modules
 * and is written without type annotations.
 *
 * Commands come through a pipe as three i32, [command, id, fd]: 1 adds a netlink socket, which from then on is this
 * thread's to close; 2 removes and closes it; the thread ends when the pipe closes. What is received goes to the parent as
 * { id, datagrams }, a loss as { id, overrun: true }.
 */
import { dlopen, read } from 'bun:ffi';
import { parentPort, workerData } from 'node:worker_threads';

const { symbols: libc } = dlopen('libc.so.6', {
  poll: { args: ['ptr', 'u64', 'i32'], returns: 'i32' },
  read: { args: ['i32', 'ptr', 'u64'], returns: 'i32' },
  recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i32' },
  close: { args: ['i32'], returns: 'i32' },
  __errno_location: { args: [], returns: 'ptr' },
});

const ADD = 1;
const POLLIN = 1;
const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;
const MSG_TRUNC_DONTWAIT = 0x20 | 0x40;
const DATAGRAMS_PER_TURN = 128;
/** Batches that the parent has not handled; above it we stop reading and let the kernel's buffer overrun instead. */
const MOST_UNHANDLED = 256;

const control = Number(workerData.control);
/** One i32, shared with the parent: batches sent and not handled. */
const unhandled = new Int32Array(workerData.unhandled);
const errnoAddress = libc.__errno_location();
const buffer = new Uint8Array(64 * 1024);
/** Socket by subscription id. */
const sockets = new Map([[0, 0]]);
sockets.clear();

const errno = () => (typeof errnoAddress === 'number' ? read.i32(errnoAddress, 0) : 0);

const takeCommands = () => {
  const commands = new Int32Array(3 * 64);
  const length = libc.read(control, commands, commands.byteLength);
  if (length < 0 && errno() === EINTR) return true;
  for (let at = 0; at + 3 <= length / 4; at += 3) {
    const [command, id, fd] = commands.subarray(at, at + 3);
    if (id === undefined || fd === undefined) break;
    if (command === ADD) {
      sockets.set(id, fd);
    } else {
      libc.close(sockets.get(id) ?? fd);
      sockets.delete(id);
    }
  }
  return length > 0;
};

// After a loss the kernel reports no further one until the queue has been empty. So the rest of it is thrown away, and
// the loss told only then: whoever reads everything again at that point misses nothing.
const receive = (id = 0, fd = 0) => {
  const datagrams = [];
  let overrun = false;
  while (overrun || datagrams.length < DATAGRAMS_PER_TURN) {
    const length = libc.recv(fd, buffer, buffer.length, MSG_TRUNC_DONTWAIT);
    if (length < 0) {
      const code = errno();
      if (code !== EINTR && code !== EAGAIN) overrun = true;
      if (code === EINTR || code === ENOBUFS) continue;
      break;
    }
    if (length > buffer.length) overrun = true;
    else if (!overrun) datagrams.push(buffer.slice(0, length));
  }
  while (Atomics.load(unhandled, 0) >= MOST_UNHANDLED) Atomics.wait(unhandled, 0, Atomics.load(unhandled, 0));
  Atomics.add(unhandled, 0, 1);
  parentPort?.postMessage({ id, datagrams, overrun });
};

for (;;) {
  const ids = [...sockets.keys()];
  // struct pollfd: i32 fd, i16 events, i16 revents
  const polled = new Int32Array(2 * (ids.length + 1));
  const results = new Int16Array(polled.buffer);
  polled.set([control, ...sockets.values()].flatMap(fd => [fd, 0]));
  for (let index = 0; index <= ids.length; index++) results[index * 4 + 2] = POLLIN;
  if (libc.poll(polled, ids.length + 1, -1) < 0) continue;
  ids.forEach((id, index) => {
    if (results[(index + 1) * 4 + 3] !== 0) receive(id, sockets.get(id));
  });
  if (results[3] !== 0 && !takeCommands()) break;
}
for (const fd of sockets.values()) libc.close(fd);
libc.close(control);

/** What importing this file with `type: 'file'` gives: its path. */
export default '';

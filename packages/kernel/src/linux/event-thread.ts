import { Worker } from 'node:worker_threads';
import type { Subscription } from '../kernel.ts';
import { checked, libc, retried } from '../netlink/libc.ts';
import type { NetlinkSocket } from '../netlink/socket.ts';
import workerPath from './event-worker.ts' with { type: 'file' };

const ADD = 1;
const REMOVE = 2;
const O_CLOEXEC = 0o2000000;

/** What has come since the last time; with `overrun`, more came than could be taken. */
export interface Received {
  readonly datagrams: readonly Uint8Array[];
  readonly overrun: boolean;
}

/** What event-worker.ts posts. */
interface Batch extends Received {
  readonly id: number;
}

/** The one waiting thread of this process, alive while there are subscriptions. */
class EventThread {
  readonly #worker: Worker;
  readonly #control: number;
  readonly #unhandled = new Int32Array(new SharedArrayBuffer(4));
  readonly #handlers = new Map<number, (batch: Batch) => void>();
  #lastId = 0;

  constructor() {
    const ends = new Int32Array(2);
    checked(libc.pipe2(ends, O_CLOEXEC), 'open pipe');
    const [readEnd = -1, writeEnd = -1] = ends;
    this.#control = writeEnd;
    this.#worker = new Worker(workerPath, { workerData: { control: readEnd, unhandled: this.#unhandled.buffer } });
    this.#worker.on('message', (batch: Batch) => {
      Atomics.sub(this.#unhandled, 0, 1);
      Atomics.notify(this.#unhandled, 0);
      this.#handlers.get(batch.id)?.(batch);
    });
    this.#worker.on('error', error => {
      throw error;
    });
    this.#worker.unref();
  }

  get idle(): boolean {
    return this.#handlers.size === 0;
  }

  add(fd: number, handler: (batch: Batch) => void): number {
    const id = ++this.#lastId;
    this.#handlers.set(id, handler);
    this.#command(ADD, id, fd);
    return id;
  }

  remove(id: number): void {
    this.#handlers.delete(id);
    this.#command(REMOVE, id, -1);
  }

  /** The thread sees the end of the pipe and ends by itself. */
  stop(): void {
    libc.close(this.#control);
  }

  #command(command: number, id: number, fd: number): void {
    const bytes = new Int32Array([command, id, fd]); // far below PIPE_BUF: written whole or not at all
    retried(() => libc.write(this.#control, bytes, bytes.byteLength), 'write to event thread');
  }
}

let thread: EventThread | undefined;

/**
 * Hands what a socket receives to `on`, on the event loop, until the subscription is closed; the socket is the thread's from
 * then on. It does not keep the process alive.
 */
export function listenOn(socket: NetlinkSocket, on: (received: Received) => void): Subscription {
  thread ??= new EventThread();
  let open = true;
  const id = thread.add(socket.release(), batch => {
    if (open) on(batch);
  });
  return {
    close() {
      if (!open) return;
      open = false;
      thread?.remove(id);
      if (thread?.idle) {
        thread.stop();
        thread = undefined;
      }
    },
  };
}

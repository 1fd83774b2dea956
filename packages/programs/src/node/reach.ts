import { createSocket } from 'node:dgram';
import { type Addr, addr, type Family } from '@calico/ip';

/** How long the name of a host may take to be resolved; ms. */
const LIMIT_MS = 10_000;

/**
 * The address that packets to a host would leave from: the one that the kernel gives a UDP socket connected to its port 80. No
 * packet is sent. Rejects with words when there is no such host, or no way.
 */
export function reach(host: string, family: Family): Promise<Addr> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  const { promise, resolve, reject } = Promise.withResolvers<Addr>();
  const fail = (cause: unknown) => {
    // The runtime gives the kernel's refusal to connect no code (Bun 1.4.5).
    const code = typeof cause === 'string' ? cause : Reflect.get(Object(cause), 'code');
    reject(new Error(`Cannot reach ${host} by IPv${family}: ${code ?? 'there is no route to it'}`));
  };
  const timer = setTimeout(() => fail(`its name was not resolved within ${LIMIT_MS / 1000} s`), LIMIT_MS);
  socket.on('error', fail);
  try {
    socket.connect(80, host, (error?: Error) => {
      if (error !== undefined && error !== null) return fail(error);
      // A link-local address comes with its interface behind a percent sign.
      resolve(addr(socket.address().address.replace(/%.*/, '')));
    });
  } catch (error) {
    fail(error);
  }
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

import { KernelError } from '../error.ts';
import { checked, cString, EAGAIN, EINTR, errno, libc } from '../netlink/libc.ts';
import { LITTLE_ENDIAN, viewOf } from '../netlink/message.ts';

// sys/socket.h
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** Sends datagrams to one unix socket. */
export interface UnixDatagrams {
  /** Never waits: false where the other end has no room. Throws KernelError where it is gone. */
  send(datagram: Uint8Array): boolean;
  close(): void;
}

/** Opens a way to the unix datagram socket at a path. Throws KernelError: ENOENT, ECONNREFUSED where nobody listens there. */
export function connectUnixDatagrams(path: string): UnixDatagrams {
  const fd = checked(libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0), 'open unix socket');
  const address = unixAddress(path);
  if (libc.connect(fd, address, address.length) < 0) {
    const code = errno();
    libc.close(fd);
    throw new KernelError(`connect to ${path}`, code);
  }
  return {
    send(datagram) {
      if (libc.send(fd, datagram, datagram.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
      const code = errno();
      if (code === EAGAIN || code === EINTR) return false;
      throw new KernelError(`send to ${path}`, code);
    },
    close() {
      libc.close(fd);
    },
  };
}

/** struct sockaddr_un (unix(7)): the family in host order, then the path with its NUL. */
export function unixAddress(path: string): Uint8Array {
  const name = cString(path);
  const address = new Uint8Array(2 + name.length);
  viewOf(address).setUint16(0, AF_UNIX, LITTLE_ENDIAN);
  address.set(name, 2);
  return address;
}

import type { Pod } from '@calico/api';
import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';

/** The small servers of one pod, one for each declared container port. */
export interface PodServers {
  stop(): void;
}

/**
 * Serves every TCP and UDP port that the pod's containers declare, inside its namespace: whoever connects is told the
 * pod's name and their own address as seen here. SCTP ports are left out: no server for them exists in the runtime.
 */
export async function servePod(pod: Pod, namespace: Namespace): Promise<PodServers> {
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
  const ports = (pod.spec.containers ?? []).flatMap(container => container.ports ?? []);
  const stops: (() => void)[] = [];
  for (const { containerPort, protocol = 'TCP' } of ports) {
    if (protocol === 'TCP') stops.push(serveTcp(namespace, name, containerPort));
    if (protocol === 'UDP') stops.push(await serveUdp(namespace, name, containerPort));
  }
  return {
    stop() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

/** Serves one TCP port in a namespace; gives what ends it. */
export function serveTcp(namespace: Namespace, name: string, port: number): () => void {
  const listener = inNamespace(namespace, () =>
    Bun.listen({
      hostname: '0.0.0.0',
      port,
      socket: {
        open: socket => {
          socket.end(`${name} sees ${socket.remoteAddress}\n`);
        },
        data() {},
      },
    }),
  );
  return () => listener.stop(true);
}

async function serveUdp(namespace: Namespace, name: string, port: number): Promise<() => void> {
  // The socket is bound before the call returns, so inside the namespace; only its readiness is awaited outside.
  const opening: Promise<Bun.udp.Socket<'buffer'>>[] = [];
  inNamespace(namespace, () => {
    opening.push(
      Bun.udpSocket({
        hostname: '0.0.0.0',
        port,
        socket: {
          data(socket, _message, remotePort, remoteAddress) {
            socket.send(`${name} sees ${remoteAddress}\n`, remotePort, remoteAddress);
          },
        },
      }),
    );
  });
  const [socket] = await Promise.all(opening);
  return () => socket?.close();
}

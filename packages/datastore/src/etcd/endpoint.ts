import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { Clock } from '@calico/reconcile';
import { type ChannelOptions, connectivityState, credentials, Client as GrpcClient } from '@grpc/grpc-js';
import { type EtcdConfig, parseEndpoint } from './config.ts';

const OPTIONS = {
  // Lists of large objects in one answer are longer than gRPC's 4 MiB.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // What is tried again, and where, is ours to say: a write never is.
  'grpc.enable_retries': 0,
  // A call that the server never saw waits in the channel for its next connection.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1000,
  // A channel made after trouble must not get the old connection back.
  'grpc.use_local_subchannel_pool': 1,
  // etcd is never behind a web proxy.
  'grpc.enable_http_proxy': 0,
};

/** One member of etcd and the connection to it. */
export class Endpoint {
  readonly url: string;
  readonly #tls: EtcdConfig['tls'];
  readonly #clock: Clock;
  #client: GrpcClient | undefined;

  /** Throws TypeError on a URL that cannot be one. */
  constructor(url: string, tls: EtcdConfig['tls'], clock: Clock) {
    parseEndpoint(url);
    this.url = url;
    this.#tls = tls;
    this.#clock = clock;
  }

  /** The gRPC client of the connection; makes one, not yet connected, when there is none. */
  get client(): GrpcClient {
    this.#client ??= this.#open();
    return this.#client;
  }

  /** Whether the connection stands, as far as is known. */
  get ready(): boolean {
    return this.#client?.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** Connects; gives what is wrong in words, or undefined when the connection stands. */
  async connect(timeoutMs: number): Promise<string | undefined> {
    let client: GrpcClient;
    try {
      client = this.client;
    } catch (err) {
      // A certificate that cannot be read.
      return err instanceof Error ? err.message : String(err);
    }
    const state = await this.#settled(client, timeoutMs);
    if (state === 'ready') return undefined;
    const trouble = state === 'late' ? `no connection within ${timeoutMs / 1000} s` : await lastError(client);
    // The next try starts anew instead of waiting for gRPC's own backoff.
    this.drop(client);
    return trouble;
  }

  /** Ends a connection after the calls that are under way on it; the next use makes a new one. */
  drop(client: GrpcClient | undefined = this.#client): void {
    client?.close();
    if (this.#client === client) this.#client = undefined;
  }

  #open(): GrpcClient {
    const { target, host, secure } = parseEndpoint(this.url);
    if (!secure) return new GrpcClient(target, credentials.createInsecure(), OPTIONS);
    const { ca, cert, key } = (typeof this.#tls === 'function' ? this.#tls() : this.#tls) ?? {};
    const pem = (content: string | undefined) => (content === undefined ? null : Buffer.from(content));
    // The name in the greeting must be no address (RFC 6066 §3); what the certificate has to be for is checked all the same.
    const options: ChannelOptions =
      isIP(host) === 0 ? OPTIONS : { ...OPTIONS, 'grpc.ssl_target_name_override': 'etcd' };
    const verify = { checkServerIdentity: (_name: string, shown: PeerCertificate) => checkServerIdentity(host, shown) };
    return new GrpcClient(target, credentials.createSsl(pem(ca), pem(key), pem(cert), verify), options);
  }

  #settled(client: GrpcClient, timeoutMs: number): Promise<'ready' | 'failed' | 'late'> {
    return new Promise(resolve => {
      const channel = client.getChannel();
      let settled = false;
      const settle = (state: 'ready' | 'failed' | 'late'): void => {
        settled = true;
        timer.cancel();
        resolve(state);
      };
      const timer = this.#clock.setTimeout(() => settle('late'), timeoutMs);
      const look = (): void => {
        if (settled) return;
        const state = channel.getConnectivityState(true);
        if (state === connectivityState.READY) settle('ready');
        else if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN)
          settle('failed');
        else channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look);
      };
      look();
    });
  }
}

/** Why a channel does not connect: what a call on it fails with at once. */
function lastError(client: GrpcClient): Promise<string> {
  return new Promise(resolve => {
    const asIs = (bytes: Buffer): Buffer => bytes;
    client.makeUnaryRequest('/', asIs, asIs, Buffer.alloc(0), err => resolve(err?.details ?? 'no connection'));
  });
}

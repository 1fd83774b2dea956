import { join } from 'node:path';
import { type Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { criModule } from './tools.ts';

/** The runtime interface that a kubelet speaks (k8s.io/cri-api, runtime/v1), as far as the tests need it. */
export interface Cri {
  /** Calls a method of RuntimeService. Throws the server's error: `code`, `details`. */
  call(method: string, request: object): Promise<{ readonly [field: string]: unknown }>;
  close(): void;
}

const CALL_MS = 60_000;

/** Opens the runtime interface on a unix socket; the first call connects. */
export async function openCri(socket: string): Promise<Cri> {
  const definition = loadSync(join(await criModule(), 'pkg/apis/runtime/v1/api.proto'), {
    keepCase: true,
    defaults: true,
    longs: Number,
    enums: String,
  });
  const loaded = loadPackageDefinition(definition) as unknown as {
    runtime: { v1: { RuntimeService: ServiceClientConstructor } };
  };
  const client = new loaded.runtime.v1.RuntimeService(`unix://${socket}`, credentials.createInsecure());
  type Method = (
    request: object,
    options: { deadline: number },
    done: (error: Error | null, answer: { [field: string]: unknown }) => void,
  ) => void;
  return {
    call: (method, request) =>
      new Promise((resolve, reject) => {
        const run = (client as unknown as Record<string, Method>)[method];
        if (run === undefined) throw new TypeError(`Cannot call ${method}: RuntimeService has no such method`);
        run.call(client, request, { deadline: Date.now() + CALL_MS }, (error, answer) =>
          error === null ? resolve(answer) : reject(error),
        );
      }),
    close: () => (client as unknown as Client).close(),
  };
}

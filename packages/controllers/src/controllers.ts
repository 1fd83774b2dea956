import type { RunConfig } from './config/run-config.ts';
import type { ControllerContext } from './context.ts';
import { startIpamGarbageCollector } from './ipam-gc/garbage-collector.ts';
import type { WorkQueue } from './work-queue.ts';

/** Controllers at work. */
export interface RunningControllers {
  /** What goes wrong at the moment, in words; empty when all is well. */
  troubles(): string[];
  /** Resolves after the signal, when nothing is under way any more; rejects when one ended by a fault of its own. */
  readonly done: Promise<void>;
}

/** Starts the controllers that the configuration wants. */
export function startControllers(context: ControllerContext, config: RunConfig): RunningControllers {
  const queues: WorkQueue[] = [];
  const { signal } = context;
  const ended = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()));
  if (config.node !== undefined) {
    queues.push(...startIpamGarbageCollector(context, config.node));
  }
  return {
    troubles: () => [
      ...context.views.troubles,
      ...queues.flatMap(queue => [...queue.errors].map(([key, err]) => `${queue.name} ${key}: ${messageOf(err)}`)),
    ],
    done: Promise.all([ended, context.views.done, ...queues.map(queue => queue.done)]).then(() => undefined),
  };
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}

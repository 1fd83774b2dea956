import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';

/**
 * Makes the runtime start all threads of its pool now, in the namespace this thread is in. A thread is born in the
 * namespace of the one that starts it and stays there; born inside a pod's, its later file work would act on the pod.
 * To be awaited once at the start of a program, before the first inNamespace.
 */
export async function fillThreadPool(): Promise<void> {
  // Enough jobs, each of about a millisecond, that the pool wants all of its threads (one per CPU) before they are done.
  const jobs = availableParallelism() * 4;
  await Promise.all(Array.from({ length: jobs }, () => readFile('/proc/self/smaps')));
}

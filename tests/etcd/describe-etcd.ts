import { describe, setDefaultTimeout } from 'bun:test';

const absence = Bun.which('etcd') === null ? 'skipped: no etcd on PATH (Debian: etcd-server)' : undefined;

/** A group of tests that need a real etcd; skipped, with the reason in its name, where there is none. */
export function describeEtcd(name: string, body: () => void): void {
  // Servers start and elections are held on machines that may have much else to do.
  setDefaultTimeout(30_000);
  if (absence === undefined) describe(name, body);
  else describe.skip(`${name} (${absence})`, body);
}

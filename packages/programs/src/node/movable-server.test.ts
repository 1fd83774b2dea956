import { expect, test } from 'bun:test';
import { createLogger, type ListenOptions } from '@calico/process';
import { movableServer } from './movable-server.ts';

function setting() {
  const events: string[] = [];
  const taken = new Set<number>();
  const lines: string[] = [];
  const open = ({ port }: ListenOptions) => ({
    name: 'test',
    port,
    start() {
      if (taken.has(port)) throw new Error(`port ${port} is taken`);
      events.push(`+${port}`);
    },
    stop() {
      events.push(`-${port}`);
    },
  });
  const log = createLogger({ component: 'test', write: line => void lines.push(line) });
  const server = (port: number | undefined) => movableServer('test', at(port), open, log);
  return { events, taken, lines, server };
}

const at = (port: number | undefined) => (port === undefined ? undefined : { host: 'localhost', port });

test('a server moves to each place in turn, and is stopped at the last', async () => {
  const { events, server } = setting();
  const it = server(1);
  it.listen(at(2));
  await it.start();
  it.listen(at(3));
  await it.settled;
  it.listen(at(3));
  await it.settled;
  it.listen(undefined);
  await it.settled;
  it.listen(at(4));
  await it.settled;
  await it.stop();
  expect(events).toEqual(['+2', '-2', '+3', '-3', '+4', '-4']);
});

test('a server that cannot move stays where it was, and says so', async () => {
  const { events, taken, lines, server } = setting();
  const it = server(1);
  await it.start();
  taken.add(2);
  it.listen(at(2));
  await it.settled;
  await it.stop();
  expect(events).toEqual(['+1', '-1', '+1', '-1']);
  expect(lines.join('')).toContain('cannot move');
});

test('a renewed certificate is no move, and no key is ever in the log', async () => {
  const { lines, server } = setting();
  const it = server(1);
  await it.start();
  it.listen({ host: 'localhost', port: 1, tls: { cert: 'the cert', key: 'the key', clientAuth: 'NoClientCert' } });
  await it.settled;
  await it.stop();
  expect(lines.join('')).toContain('Server has taken up other certificates server=test host=localhost port=1');
  expect(lines.join('')).not.toContain('the key');
});

test('a start that fails rejects', async () => {
  const { taken, server } = setting();
  taken.add(1);
  await expect(server(1).start()).rejects.toThrow('port 1 is taken');
});

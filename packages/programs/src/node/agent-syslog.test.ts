import { expect, test } from 'bun:test';
import { createLog } from '@calico/process';
import { ClockFake } from '@calico/reconcile';
import { AgentSyslog, syslogMessage } from './agent-syslog.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function setting() {
  const clock = new ClockFake();
  const sent: string[] = [];
  const daemon = { there: true, connections: 0, gone: false };
  const connect = () => {
    daemon.connections++;
    if (!daemon.there) throw new Error('ENOENT');
    daemon.gone = false;
    const send = (datagram: Uint8Array) => {
      if (daemon.gone) throw new Error('ECONNREFUSED');
      return sent.push(text(datagram)) > 0;
    };
    return { send, close: () => {} };
  };
  const log = createLog({ component: 'node', level: 'silent', write: () => {} });
  const syslog = new AgentSyslog(connect, clock);
  return { clock, sent, daemon, log, syslog };
}

test('lines go to syslog from their level on, with their severity', () => {
  const { sent, log, syslog, daemon } = setting();
  log.alsoTo(syslog.targets({ syslogLevel: 'info' }));
  for (const level of ['debug', 'info', 'warn', 'error', 'fatal'] as const) log.logger[level]({ n: 1 }, level);
  expect(sent.map(each => /^<(\d+)>.* node: (.*)$/.exec(each)?.slice(1))).toEqual([
    ['14', 'info n=1'],
    ['12', 'warn n=1'],
    ['11', 'error n=1'],
    ['10', 'fatal n=1'],
  ]);
  expect(daemon.connections).toBe(1);
  expect(syslog.targets({ syslogLevel: 'silent' })).toEqual([]);
});

test('a message is as RFC 3164 has it', () => {
  const line = '2026-02-03 04:05:06.789 [INFO][7] felix: Wrote to the kernel n=1\n';
  const message = text(syslogMessage(line, 'info', new Date(2026, 1, 3, 4, 5, 6)));
  expect(message).toBe(`<14>Feb  3 04:05:06 calico-felix[${process.pid}]: [INFO][7] felix: Wrote to the kernel n=1`);
  expect(syslogMessage(`[INFO] ${'x'.repeat(100_000)}`, 'info', new Date())).toHaveLength(8_192);
});

test('a daemon that was started anew loses no line; one that is not there is looked for every ten seconds', async () => {
  const { clock, sent, daemon, log, syslog } = setting();
  log.alsoTo(syslog.targets({ syslogLevel: 'info' }));
  log.logger.info('one');
  daemon.gone = true;
  log.logger.info('two');
  expect(sent).toHaveLength(2);
  Object.assign(daemon, { gone: true, there: false, connections: 0 });
  for (let i = 0; i < 5; i++) log.logger.info('lost');
  expect(daemon.connections).toBe(1);
  daemon.there = true;
  await clock.advance(10_000);
  log.logger.info('three');
  expect(sent).toHaveLength(3);
});

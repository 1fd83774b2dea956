import type { UnixDatagrams } from '@calico/kernel/linux';
import type { LogLevel, LogTarget } from '@calico/process';
import type { Clock } from '@calico/reconcile';
import type { AgentConfig } from './felix-config.ts';

/** RFC 3164 §4.1.1: facility 1, messages of programs, with the severity of each level. */
const facility = 1;
const severities: Readonly<Record<LogLevel, number>> = {
  ...{ trace: 7, debug: 7, info: 6, warn: 4, error: 3, fatal: 2, silent: 7 },
};
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** A message is cut there, in bytes. */
const longest = 8_192;
/** How long after a failure the socket is looked for again, in milliseconds. */
const patience = 10_000;

/** The machine's syslog, where the log goes beside standard output: LogSeveritySys. Where there is none, as in most containers, nothing happens. */
export class AgentSyslog {
  readonly #connect: () => UnixDatagrams;
  readonly #clock: Pick<Clock, 'now' | 'wallTime'>;
  #way: UnixDatagrams | undefined;
  #notBefore = Number.NEGATIVE_INFINITY;

  /** @param connect opens /dev/log; throws where nobody listens there. */
  constructor(connect: () => UnixDatagrams, clock: Pick<Clock, 'now' | 'wallTime'>) {
    this.#connect = connect;
    this.#clock = clock;
  }

  /** Where lines are to go by this. */
  targets({ syslogLevel }: Pick<AgentConfig, 'syslogLevel'>): LogTarget[] {
    return syslogLevel === 'silent' ? [] : [{ level: syslogLevel, write: (line, level) => this.#send(line, level) }];
  }

  #send(line: string, level: LogLevel): void {
    if (this.#way === undefined && this.#clock.now() < this.#notBefore) return;
    const message = syslogMessage(line, level, new Date(this.#clock.wallTime()));
    // Two tries: the daemon may have been started anew since the last line.
    for (let tries = 0; tries < 2; tries++) {
      try {
        this.#way ??= this.#connect();
        this.#way.send(message);
        return;
      } catch {
        this.#way?.close();
        this.#way = undefined;
      }
    }
    this.#notBefore = this.#clock.now() + patience;
  }
}

/** A line of the log as RFC 3164 has it on the machine itself, without a host; its own time is left out. */
export function syslogMessage(line: string, level: LogLevel, now: Date): Uint8Array {
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${months[now.getMonth()]} ${String(now.getDate()).padStart(2)}`;
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(':');
  const text = line.slice(line.indexOf('[')).trimEnd();
  const message = `<${facility * 8 + severities[level]}>${day} ${time} calico-felix[${process.pid}]: ${text}`;
  return new TextEncoder().encode(message).subarray(0, longest);
}

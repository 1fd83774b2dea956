import type { Clock } from '@calico/reconcile';

/** What a part says about itself. */
export interface HealthReport {
  /** Whether it works at all; if not, the process is to be restarted. */
  readonly live: boolean;
  /** Whether it does its job. */
  readonly ready: boolean;
  /** The cause in words when it is not live or not ready; else anything worth knowing. */
  readonly detail?: string;
}

export interface ReporterOptions {
  readonly name: string;
  /** How long a report holds, in milliseconds; for ever when left out, or 0. */
  readonly timeoutMs?: number;
}

/** The answer to "is it live?" or "is it ready?". */
export interface HealthSummary {
  readonly ok: boolean;
  /** One sentence for each reporter that is bad, with its cause. */
  readonly causes: readonly string[];
  /** A table of all reporters and then the causes; empty when there is no reporter. */
  readonly text: string;
}

type Question = 'live' | 'ready';

interface Reporter {
  readonly name: string;
  readonly timeoutMs: number | undefined;
  /** Clock time of the last report, at first of the registration. */
  since: number;
  report: HealthReport | undefined;
}

/**
 * Gathers the reports of a process's parts. The process is live (ready) while every reporter is and none is overdue.
 * Until its first report a part counts as live, but not as ready.
 */
export class HealthAggregator {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #reporters = new Map<string, Reporter>();
  #overrides: Readonly<Record<string, number>> = {};

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Adds a reporter; one of that name starts anew. */
  register({ name, timeoutMs }: ReporterOptions): void {
    this.#reporters.set(name, { name, timeoutMs, since: this.#clock.now(), report: undefined });
  }

  /** The last report still holds: the part is there. Nothing happens before the first one. */
  renew(name: string): void {
    const reporter = this.#reporters.get(name);
    if (reporter?.report !== undefined) reporter.since = this.#clock.now();
  }

  /** Takes a report. Throws when nobody registered under the name. */
  report(name: string, report: HealthReport): void {
    const reporter = this.#reporters.get(name);
    if (reporter === undefined) {
      throw new Error(`Cannot take health report: reporter is "${name}"; allowed: ${[...this.#reporters.keys()]}`);
    }
    reporter.report = report;
    reporter.since = this.#clock.now();
  }

  /** Replaces all overrides of timeouts by reporter name, in milliseconds (Felix's HealthTimeoutOverrides). */
  overrideTimeouts(overrides: Readonly<Record<string, number>>): void {
    this.#overrides = overrides;
  }

  /** Every reporter with its last report, by name; `age` is in milliseconds. */
  reports(): { readonly name: string; readonly age: number; readonly report: HealthReport | undefined }[] {
    const now = this.#clock.now();
    return [...this.#reporters.values()]
      .map(({ name, since, report }) => ({ name, age: now - since, report }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  liveness(): HealthSummary {
    return this.#summary('live');
  }

  readiness(): HealthSummary {
    return this.#summary('ready');
  }

  #summary(question: Question): HealthSummary {
    const reporters = [...this.#reporters.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const causes = reporters.flatMap(reporter => {
      const state = this.#state(reporter, question);
      return state.ok ? [] : [`${reporter.name} is not ${question}: ${state.cause}`];
    });
    const rows = reporters.map(reporter => {
      const timeout = this.#timeout(reporter);
      return [
        reporter.name,
        timeout === undefined ? '-' : `${timeout / 1000}s`,
        this.#state(reporter, 'live').word,
        this.#state(reporter, 'ready').word,
        reporter.report?.detail ?? '',
      ];
    });
    const text = rows.length === 0 ? '' : [...table(rows), ...causes].map(line => `${line}\n`).join('');
    return { ok: causes.length === 0, causes, text };
  }

  #state(reporter: Reporter, question: Question): { ok: boolean; word: string; cause: string } {
    const timeout = this.#timeout(reporter);
    const age = this.#clock.now() - reporter.since;
    if (timeout !== undefined && age > timeout) {
      const cause = `no report for ${Math.round(age / 1000)} s, allowed are ${timeout / 1000} s`;
      return { ok: false, word: 'timed out', cause };
    }
    if (reporter.report === undefined) return { ok: question === 'live', word: 'no report', cause: 'no report yet' };
    const ok = reporter.report[question];
    return { ok, word: ok ? question : `not ${question}`, cause: reporter.report.detail ?? 'no cause given' };
  }

  #timeout({ name, timeoutMs }: Pick<Reporter, 'name' | 'timeoutMs'>): number | undefined {
    const timeout = this.#overrides[name] ?? timeoutMs;
    return timeout === 0 ? undefined : timeout;
  }
}

const HEADINGS = ['COMPONENT', 'TIMEOUT', 'LIVENESS', 'READINESS', 'DETAIL'];

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...rows.map(row => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = `+${widths.map(width => '-'.repeat(width + 2)).join('+')}+`;
  return [rule, line(HEADINGS), rule, ...rows.map(line), rule];
}

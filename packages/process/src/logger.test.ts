import { describe, expect, test } from 'bun:test';
import { formatLogLine } from './log-line.ts';
import { createLog, createLogger } from './logger.ts';

function collected() {
  const lines: string[] = [];
  return { lines, write: (line: string) => void lines.push(line) };
}

describe('a logger', () => {
  test('writes lines with time, severity, process, component, message and fields', () => {
    const { lines, write } = collected();
    const logger = createLogger({ component: 'felix', write });
    logger.info('Starting');
    logger.child({ component: 'felix/calc', node: 'n1' }).warn({ err: new Error('no route'), tries: 3 }, 'Retrying');
    const stamp = '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{3}';
    expect(lines[0]).toMatch(new RegExp(`^${stamp} \\[INFO\\]\\[${process.pid}\\] felix: Starting\n$`));
    expect(lines[1]).toMatch(
      new RegExp(`^${stamp} \\[WARNING\\]\\[\\d+\\] felix/calc: Retrying node=n1 err="no route" tries=3\n$`),
    );
    expect(lines).toHaveLength(2);
  });

  test('writes JSON when told to', () => {
    const { lines, write } = collected();
    createLogger({ component: 'felix', format: 'json', write }).error({ tries: 3 }, 'Failed');
    expect(JSON.parse(lines.join(''))).toMatchObject({ level: 50, component: 'felix', tries: 3, msg: 'Failed' });
  });

  test('follows a change of level, children included', () => {
    const { lines, write } = collected();
    const log = createLog({ component: 'felix', format: 'json', level: 'warn', write });
    const child = log.logger.child({ a: 1 }).child({ b: 2 });
    child.info('unheard');
    log.setLevel('trace');
    child.trace('heard');
    log.setLevel('silent');
    child.fatal('unheard');
    expect(lines.map(line => JSON.parse(line).msg)).toEqual(['heard']);
  });

  test('writes to other places too, to each from its own level on', () => {
    const [screen, file, alarm] = [collected(), collected(), collected()];
    const log = createLog({ component: 'felix', format: 'json', level: 'warn', write: screen.write });
    const all = () => [screen, file, alarm].map(({ lines }) => lines.splice(0).map(line => JSON.parse(line).msg));
    const sayAll = () => {
      for (const level of ['debug', 'info', 'warn', 'error'] as const) log.logger[level](level);
      return all();
    };
    log.alsoTo([
      { level: 'debug', write: file.write },
      { level: 'error', write: alarm.write },
    ]);
    expect(sayAll()).toEqual([['warn', 'error'], ['debug', 'info', 'warn', 'error'], ['error']]);
    log.setLevel('info');
    log.alsoTo([{ level: 'silent', write: file.write }]);
    expect(sayAll()).toEqual([['info', 'warn', 'error'], [], []]);
  });

  test('keeps severities apart where writing a line leads to another', () => {
    const [screen, file] = [collected(), collected()];
    const log = createLog({ component: 'felix', format: 'json', write: screen.write });
    const failing = (line: string) => {
      if (line.includes('cannot')) return;
      log.logger.error('cannot write');
    };
    log.alsoTo([
      { level: 'info', write: failing },
      { level: 'error', write: file.write },
    ]);
    log.logger.info('told');
    expect(screen.lines.map(line => JSON.parse(line).msg)).toEqual(['told', 'cannot write']);
    expect(file.lines.map(line => JSON.parse(line).msg)).toEqual(['cannot write']);
  });
});

test('formatLogLine quotes what is not a bare word', () => {
  const record = { level: 20, time: 0, pid: 7, component: 'c', msg: 'm', a: 'x/y', b: 'x y', c: [1], d: null, e: '' };
  expect(formatLogLine(record)).toBe('1970-01-01 00:00:00.000 [DEBUG][7] c: m a=x/y b="x y" c=[1] d=null e=""');
});

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
});

test('formatLogLine quotes what is not a bare word', () => {
  const record = { level: 20, time: 0, pid: 7, component: 'c', msg: 'm', a: 'x/y', b: 'x y', c: [1], d: null, e: '' };
  expect(formatLogLine(record)).toBe('1970-01-01 00:00:00.000 [DEBUG][7] c: m a=x/y b="x y" c=[1] d=null e=""');
});

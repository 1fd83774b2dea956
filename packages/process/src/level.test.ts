import { expect, test } from 'bun:test';
import { type LogLevel, parseLogLevel } from './level.ts';

const cases: { text: string; want: LogLevel | undefined }[] = [
  { text: 'Trace', want: 'trace' },
  { text: 'DEBUG', want: 'debug' },
  { text: 'info', want: 'info' },
  { text: 'Warning', want: 'warn' },
  { text: 'warn', want: 'warn' },
  { text: 'Error', want: 'error' },
  { text: 'FATAL', want: 'fatal' },
  { text: 'panic', want: 'fatal' },
  { text: 'None', want: 'silent' },
  { text: '', want: undefined },
  { text: 'verbose', want: undefined },
  { text: 'constructor', want: undefined },
];

for (const { text, want } of cases) {
  test(`parseLogLevel reads "${text}" as ${want}`, () => expect(parseLogLevel(text)).toBe(want));
}

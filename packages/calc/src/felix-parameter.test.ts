import { describe, expect, test } from 'bun:test';
import {
  anyText,
  flag,
  integer,
  mergeParameters,
  oneOf,
  type Parameter,
  readParameters,
  span,
} from './felix-parameter.ts';

describe('mergeParameters', () => {
  const cases: { name: string; layers: Record<string, string>[]; want: Record<string, string> }[] = [
    { name: 'takes the last layer', layers: [{ A: '1', B: '1' }, { B: '2' }], want: { A: '1', B: '2' } },
    { name: 'knows names in any case', layers: [{ VxlanPort: '1' }, { VXLANPort: '2' }], want: { VXLANPort: '2' } },
    {
      name: 'knows them in any case the other way round too',
      layers: [{ VXLANPort: '1' }, { VxlanPort: '2' }],
      want: { VxlanPort: '2' },
    },
    { name: 'does not let an empty text hide a weaker layer', layers: [{ A: '1' }, { A: '' }], want: { A: '1' } },
    { name: 'leaves empty texts out', layers: [{ A: '' }], want: {} },
  ];
  test.each(cases)('$name', ({ layers, want }) => expect(mergeParameters(...layers)).toEqual(want));
});

describe('readParameters', () => {
  const read = <T>(parameter: Parameter<T>, text: string): T | 'invalid' => {
    const { values, invalid } = readParameters({ it: parameter }, { [parameter.name]: text });
    return invalid.length > 0 ? 'invalid' : values.it;
  };
  const yes = flag('Yes', true, '');
  const port = integer('Port', [1, 65535], 4789, '');
  const size = integer('Size', [0, 9], 5, '');
  const action = oneOf('Action', ['drop', 'Accept'], 'drop', '');
  const prefix = anyText('Prefix', 'calico', '');
  const interval = span('Interval', 90_000, '');
  const cases: { parameter: Parameter<unknown>; text: string; want: unknown }[] = [
    ...['true', '1', 'Yes', 'y', 'T'].map(text => ({ parameter: yes, text, want: true })),
    ...['false', '0', 'NO', 'n', 'f', 'None'].map(text => ({ parameter: yes, text, want: false })),
    { parameter: yes, text: 'maybe', want: 'invalid' },
    { parameter: yes, text: '', want: true },
    { parameter: port, text: '1', want: 1 },
    { parameter: port, text: '0', want: 'invalid' },
    { parameter: port, text: '65536', want: 'invalid' },
    { parameter: port, text: '1.5', want: 'invalid' },
    { parameter: port, text: 'none', want: 'invalid' },
    { parameter: size, text: 'none', want: 0 },
    { parameter: action, text: 'DROP', want: 'drop' },
    { parameter: action, text: 'accept', want: 'Accept' },
    { parameter: action, text: 'reject', want: 'invalid' },
    { parameter: prefix, text: 'x y', want: 'x y' },
    { parameter: prefix, text: 'none', want: '' },
    { parameter: interval, text: '1m30s', want: 90_000 },
    { parameter: interval, text: '2.5', want: 2_500 },
    { parameter: interval, text: '0', want: 0 },
    { parameter: interval, text: 'soon', want: 'invalid' },
  ];
  test.each(cases)('$parameter.name = "$text" is $want', ({ parameter, text, want }) => {
    expect(read(parameter, text)).toEqual(want);
  });

  test('keeps the default of what is not valid, and says what is allowed', () => {
    expect(readParameters({ port }, { PORT: '0' })).toEqual({
      values: { port: 4789 },
      invalid: [{ name: 'Port', text: '0', allowed: '1 to 65535' }],
    });
  });
});

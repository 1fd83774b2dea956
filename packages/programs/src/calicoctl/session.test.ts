import { afterEach, beforeEach, expect, test } from 'bun:test';
import { Desk } from './testing.ts';

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => desk.close());

test('a configuration file that cannot be used is named on stdout', async () => {
  desk.file('ctl.cfg', 'kind: Other\n');
  expect(await desk.run('get ippools -c $DIR/ctl.cfg')).toEqual({
    code: 1,
    out: 'Error reading config file: ctl.cfg: kind is "Other"; allowed: "CalicoAPIConfig"\n',
    err: '',
  });
  const { code, out } = await desk.run('get ippools -c $DIR/none.cfg');
  expect(code).toBe(1);
  expect(out).toStartWith('Error reading config file: none.cfg: ENOENT');
});

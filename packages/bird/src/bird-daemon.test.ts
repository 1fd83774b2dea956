import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { BirdDaemon } from './bird-daemon.ts';
import { BirdFake } from './bird-fake.ts';

const config = (id: string) => `router id ${id};\nprotocol device {\n}\n`;

describe('BirdDaemon', () => {
  let folder: string;
  let bird: BirdFake;
  let clock: ClockFake;
  let daemon: BirdDaemon;
  let warnings: string[];

  const open = () =>
    new BirdDaemon({
      folder,
      clock,
      random: seededRandom(1),
      log: { info: () => undefined, warn: ({ cause }) => void warnings.push(String(cause)) },
      control: bird,
      processes: bird.processes,
    });
  const fileOf = (name: string) => join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bird-daemon-'));
    bird = new BirdFake();
    clock = new ClockFake();
    warnings = [];
    daemon = open();
  });
  afterEach(() => {
    daemon.stop();
    expect(clock.timers).toBe(0);
    rmSync(folder, { recursive: true });
  });

  test('starts BIRD with the configuration in place, readable by its user only', async () => {
    await daemon.apply(config('1.1.1.1'));
    expect(bird.starts).toEqual([{ recover: false }]);
    expect(readFileSync(fileOf('bird.cfg'), 'utf8')).toBe(config('1.1.1.1'));
    expect(statSync(fileOf('bird.cfg')).mode & 0o777).toBe(0o600);
  });

  test('recovers routes where a BIRD ran before', async () => {
    writeFileSync(fileOf('bird.cfg'), config('1.1.1.1'));
    await daemon.apply(config('1.1.1.1'));
    expect(bird.starts).toEqual([{ recover: true }]);
  });

  test('only reconfigures a BIRD that already runs, also with the same configuration', async () => {
    writeFileSync(fileOf('bird.cfg'), config('1.1.1.1'));
    bird.runAlready(fileOf('bird.cfg'));
    await daemon.apply(config('1.1.1.1'));
    expect([bird.starts.length, bird.configured]).toEqual([0, 1]);
  });

  test('does nothing for the same configuration again', async () => {
    await daemon.apply(config('1.1.1.1'));
    await daemon.apply(config('1.1.1.1'));
    expect([bird.starts.length, bird.configured]).toEqual([1, 0]);
  });

  test('applies configurations in the order they come', async () => {
    await Promise.all(['1.1.1.1', '2.2.2.2', '3.3.3.3'].map(id => daemon.apply(config(id))));
    expect((await bird.status()).routerId).toBe('3.3.3.3');
    expect([bird.starts.length, bird.configured]).toEqual([1, 2]);
  });

  test('leaves no trace of a configuration that is refused, and takes the one before again', async () => {
    await daemon.apply(config('1.1.1.1'));
    expect(daemon.apply('rubbish')).rejects.toMatchObject({ code: 'Invalid' });
    await daemon.apply('rubbish').catch(() => undefined);
    expect(readFileSync(fileOf('bird.cfg'), 'utf8')).toBe(config('1.1.1.1'));
    expect(existsSync(fileOf('bird.cfg.new'))).toBe(false);
    await clock.advance(20_000);
    expect(daemon.health().detail).toContain('syntax error');
    await daemon.apply(config('1.1.1.1'));
    expect(daemon.health().ready).toBe(true);
  });

  test('starts BIRD again when it ends, later and later, recovering routes', async () => {
    await daemon.apply(config('1.1.1.1'));
    const delays: number[] = [];
    for (let round = 0; round < 4; round++) {
      bird.end('signal is SIGSEGV');
      await clock.advance(0);
      expect(daemon.health()).toMatchObject({ ready: false, detail: 'BIRD ended: signal is SIGSEGV' });
      const before = clock.now();
      while (!daemon.health().ready) await clock.advance(100);
      delays.push(clock.now() - before);
    }
    expect(bird.starts).toEqual([false, true, true, true, true].map(recover => ({ recover })));
    expect(delays).toEqual([...delays].sort((a, b) => a - b));
    expect(delays[3]).toBeGreaterThan(1900);
    // One that lived long starts at once again.
    await clock.advance(60_000);
    bird.end('exit code is 0');
    await clock.advance(500);
    expect(daemon.health().ready).toBe(true);
    expect(warnings.length).toBe(5);
  });

  test('notices within 5 s that a BIRD that it took over is gone', async () => {
    writeFileSync(fileOf('bird.cfg'), config('1.1.1.1'));
    bird.runAlready(fileOf('bird.cfg'));
    await daemon.apply(config('1.1.1.1'));
    bird.end('unseen');
    await clock.advance(5_000);
    expect(daemon.health()).toMatchObject({ ready: false, detail: 'nobody answers at the socket' });
    await clock.advance(500);
    expect(daemon.health().ready).toBe(true);
    expect(bird.starts).toEqual([{ recover: true }]);
  });

  test('never starts a second BIRD beside one that is silent', async () => {
    await daemon.apply(config('1.1.1.1'));
    bird.failNext('status', 'Timeout');
    await clock.advance(5_000);
    expect(daemon.health().ready).toBe(false);
    await clock.advance(1_000);
    expect(daemon.health().ready).toBe(true);
    expect(bird.starts.length).toBe(1);
  });

  test('keeps trying when BIRD does not start, and says why', async () => {
    bird.failNext('start', 'Ended');
    const failed = daemon.apply(config('1.1.1.1')).catch(error => error);
    await clock.advance(50);
    expect(await failed).toMatchObject({ code: 'Ended', message: expect.stringContaining('exit code is 1') });
    expect(daemon.health().ready).toBe(false);
    await clock.advance(1_000);
    expect(daemon.health().ready).toBe(true);
  });

  test('says when BIRD is not installed', async () => {
    bird.failNext('start', 'Missing');
    expect(await daemon.apply(config('1.1.1.1')).catch(error => error)).toMatchObject({ code: 'Missing' });
    expect(daemon.health().detail).toContain('executable is "bird"');
  });

  test('tries again when BIRD does not take a configuration that parses', async () => {
    await daemon.apply(config('1.1.1.1'));
    bird.failNext('configure', 'Timeout');
    expect(await daemon.apply(config('2.2.2.2')).catch(error => error)).toMatchObject({ code: 'Timeout' });
    await clock.advance(1_000);
    expect((await bird.status()).routerId).toBe('2.2.2.2');
    expect(daemon.health().ready).toBe(true);
  });

  test('leaves BIRD alone once stopped', async () => {
    await daemon.apply(config('1.1.1.1'));
    daemon.stop();
    bird.end('exit code is 0');
    await clock.advance(100_000);
    await daemon.apply(config('2.2.2.2'));
    expect(bird.starts.length).toBe(1);
  });

  test('keeps the log of BIRD small', async () => {
    await daemon.apply(config('1.1.1.1'));
    writeFileSync(fileOf('bird.log'), 'x'.repeat(2 ** 20 + 1));
    await clock.advance(5_000);
    expect([statSync(fileOf('bird.log')).size, statSync(fileOf('bird.log.1')).size]).toEqual([0, 2 ** 20 + 1]);
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { BirdDaemon } from './bird-daemon.ts';
import { BirdFake } from './bird-fake.ts';
import { birdContract } from './contract.ts';
import { openBirdHost, withBird } from './testing.ts';

birdContract('fake', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bird-fake-'));
  const fake = new BirdFake();
  const open = () =>
    new BirdDaemon({
      folder,
      clock: new ClockFake(),
      random: seededRandom(1),
      log: { info: () => undefined, warn: () => undefined },
      control: fake,
      processes: fake.processes,
    });
  const daemon = open();
  return {
    daemon,
    folder,
    another: open,
    close: async () => {
      daemon.stop();
      rmSync(folder, { recursive: true });
    },
  };
});

withBird(import.meta.path, () => birdContract('real', openBirdHost));

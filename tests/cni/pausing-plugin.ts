// The plugin, which stands still at the point of its call that a test names.
import { readFileSync, writeSync } from 'node:fs';
import { runCniPlugin } from '@calico/cni/plugin';
import { openStandalone } from '../../packages/programs/src/cni-standalone.ts';
import { pauseHere, pausingClient } from './pause.ts';

const code = await runCniPlugin({
  env: process.env,
  stdin: () => readFileSync(0, 'utf8'),
  stdout: { write: text => writeSync(1, text) },
  stderr: { write: text => writeSync(2, text) },
  argv0: 'calico',
  standalone: (request, log) =>
    openStandalone(request, process.env, log, { onPhase: pauseHere, ipamClient: pausingClient }),
  onPhase: phase => pauseHere(`plugin ${phase}`),
});
process.exit(code);

// The node agent, which stands still at the point of a CNI call that a test names: there it is killed, or something else is.
import { runNodeAgent } from '../../packages/programs/src/node/agent.ts';
import { pauseHere, pausingClient } from './pause.ts';

process.exit(await runNodeAgent(process.env, { onCniPhase: pauseHere, ipamClient: pausingClient }));

// Runs inside a pod: tries connections and prints what became of them.
//   bun probe.ts '[{"protocol":"TCP","address":"10.0.0.1","port":80}]'    JSON, one fate a target
//   bun probe.ts watch 10.0.0.1 80                                       a line whenever the fate changes
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';

/** A connection to try. */
export interface Target {
  readonly protocol: 'TCP' | 'UDP';
  readonly address: string;
  readonly port: number;
}

/** What became of it; `text` is what the server said. */
export interface Fate {
  readonly fate: 'open' | 'closed';
  readonly text: string;
}

function tryTcp(address: string, port: number, timeoutMs: number): Promise<Fate> {
  return new Promise(resolve => {
    const socket = createConnection({ host: address, port });
    let text = '';
    let open = false;
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ fate: open ? 'open' : 'closed', text });
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on('connect', () => {
      open = true;
    });
    socket.on('data', bytes => {
      text += String(bytes);
    });
    socket.on('close', finish);
    socket.on('error', finish);
  });
}

function tryUdp(address: string, port: number, timeoutMs: number): Promise<Fate> {
  return new Promise(resolve => {
    const socket = createSocket('udp4');
    const finish = (fate: Fate) => {
      clearTimeout(timer);
      socket.close();
      resolve(fate);
    };
    const timer = setTimeout(() => finish({ fate: 'closed', text: '' }), timeoutMs);
    socket.on('message', bytes => finish({ fate: 'open', text: String(bytes) }));
    socket.on('error', () => finish({ fate: 'closed', text: '' }));
    socket.send('probe', port, address);
  });
}

if (import.meta.main) {
  const [mode = '', address = '', port = ''] = process.argv.slice(2);
  if (mode === 'watch') {
    // Ends with whoever started it.
    process.stdin.on('end', () => process.exit(0)).resume();
    for (let last = ''; ; ) {
      const { fate } = await tryTcp(address, Number(port), 100);
      if (fate !== last) process.stdout.write(`${fate}\n`);
      last = fate;
      await new Promise(resolve => setTimeout(resolve, 2));
    }
  }
  const targets = JSON.parse(mode) as Target[];
  const fates = targets.map(target =>
    target.protocol === 'TCP' ? tryTcp(target.address, target.port, 1_000) : tryUdp(target.address, target.port, 1_000),
  );
  console.log(JSON.stringify(await Promise.all(fates)));
}

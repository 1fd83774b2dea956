// npm start: set up what is missing, then bring the lab up in the foreground.
import { spawn } from 'node:child_process';
import { buildExecutable, executable, installDebianPackages, installNpmPackages, requireLinux } from './setup.mjs';

requireLinux();
installNpmPackages();
installDebianPackages();
buildExecutable();

const lab = spawn(executable, ['lab', 'up', ...process.argv.slice(2)], { stdio: 'inherit' });
// The lab ends itself on these; this process only waits for it to finish its cleaning.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => lab.kill(signal));
lab.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));

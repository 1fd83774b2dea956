import { readdirSync, readFileSync } from 'node:fs';
import { Counter, Gauge, type Registry } from 'prom-client';

/**
 * Adds the metrics about the process itself that Prometheus clients agree on, read when they are asked for. (Those of
 * prom-client go on about V8, which is not here.) https://prometheus.io/docs/instrumenting/writing_clientlibs/
 */
export function addProcessMetrics(registry: Registry): void {
  const registers = [registry];
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Total user and system CPU time spent in seconds.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory size in bytes.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'process_open_fds',
    help: 'Number of open file descriptors.',
    registers,
    collect() {
      const open = openFiles();
      if (open !== undefined) this.set(open);
    },
  });
  new Gauge({
    name: 'process_max_fds',
    help: 'Maximum number of open file descriptors.',
    registers,
    collect() {
      const most = /^Max open files\s+(\d+)/m.exec(readSelf('limits'))?.[1];
      if (most !== undefined) this.set(Number(most));
    },
  });
  new Gauge({
    name: 'process_virtual_memory_bytes',
    help: 'Virtual memory size in bytes.',
    registers,
    collect() {
      const kilobytes = /^VmSize:\s+(\d+) kB/m.exec(readSelf('status'))?.[1];
      if (kilobytes !== undefined) this.set(Number(kilobytes) * 1024);
    },
  });
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'Start time of the process since unix epoch in seconds.',
    registers,
  }).set(Math.round(performance.timeOrigin / 1000));
}

/** A file of /proc about the process; empty where there is none. */
function readSelf(name: string): string {
  try {
    return readFileSync(`/proc/self/${name}`, 'utf8');
  } catch {
    return '';
  }
}

/** How many files the process has open; undefined where there is no /proc. */
function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}

export { HealthAggregator, type HealthReport, type HealthSummary, type ReporterOptions } from './health.ts';
export { type HttpServer, healthServer, httpServer, type ListenOptions, metricsServer, type Routes } from './http.ts';
export { type Component, Lifecycle, type LifecycleOptions } from './lifecycle.ts';
export {
  createLog,
  createLogger,
  type Log,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  type LogMethod,
  type LogTarget,
  parseLogLevel,
} from './logger.ts';
export {
  type Counter,
  createMetrics,
  type Gauge,
  type Histogram,
  type Metrics,
  type Registry,
  type Summary,
} from './metrics.ts';
export { placeSocket } from './private-socket.ts';
export { type RunOptions, runUntilSignal, type SignalSource, type StopSignal } from './run-until-signal.ts';
export { fetchSocket, type SocketHandler, socketServer } from './socket-http.ts';
export { systemClock, systemRandom } from './system.ts';
export { type ClientAuth, clientAuths, type ServerTls } from './tls-server.ts';
export { TimeoutError, withTimeout } from './with-timeout.ts';

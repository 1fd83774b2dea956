import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClientAuth, ServerTls } from '@calico/process';

/** The parameters of TLS for metrics; a path is empty where none is given. */
export interface MetricsTlsConfig {
  readonly metricsCertFile: string;
  readonly metricsKeyFile: string;
  readonly metricsCaFile: string;
  readonly metricsClientAuth: ClientAuth;
}

/** Whether metrics are to be served by TLS: a file of it, or certificates of clients, are asked for. */
export function asksForTls({ metricsCertFile, metricsKeyFile, metricsClientAuth }: MetricsTlsConfig): boolean {
  return metricsCertFile !== '' || metricsKeyFile !== '' || metricsClientAuth !== 'NoClientCert';
}

/** Reads what metrics are served with by TLS. Throws an Error that names the parameter, its file and what is wrong with it. */
export function readMetricsTls(config: MetricsTlsConfig): ServerTls {
  const { metricsCertFile, metricsKeyFile, metricsCaFile, metricsClientAuth: clientAuth } = config;
  const cert = readPem('PrometheusMetricsCertFile', metricsCertFile);
  const key = readPem('PrometheusMetricsKeyFile', metricsKeyFile);
  const certificate = parsed(
    'PrometheusMetricsCertFile',
    metricsCertFile,
    'certificate',
    () => new X509Certificate(cert),
  );
  const privateKey: KeyObject = parsed(
    'PrometheusMetricsKeyFile',
    metricsKeyFile,
    'private key without a password',
    () => createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    throw wrong(
      'PrometheusMetricsKeyFile',
      `the key in ${metricsKeyFile} is not that of the certificate in ${metricsCertFile}`,
    );
  }
  if (clientAuth !== 'VerifyClientCertIfGiven' && clientAuth !== 'RequireAndVerifyClientCert')
    return { cert, key, clientAuth };
  const ca = readPem('PrometheusMetricsCAFile', metricsCaFile, `PrometheusMetricsClientAuth is ${clientAuth}`);
  parsed('PrometheusMetricsCAFile', metricsCaFile, 'certificate', () => new X509Certificate(ca));
  return { cert, key, clientAuth, ca };
}

function readPem(parameter: string, path: string, why = 'metrics are to be served by TLS'): string {
  if (path === '') throw wrong(parameter, `it is not set, and ${why}`);
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw wrong(parameter, `${path} cannot be read: ${messageOf(cause)}`);
  }
}

function parsed<T>(parameter: string, path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw wrong(parameter, `${path} holds no ${what} in PEM: ${messageOf(cause)}`);
  }
}

const wrong = (parameter: string, what: string) => new Error(`Cannot serve metrics: ${parameter}: ${what}`);

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

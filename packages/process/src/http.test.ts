import { afterEach, describe, expect, test } from 'bun:test';
import { ClockFake } from '@calico/reconcile';
import { HealthAggregator } from './health.ts';
import { type HttpServer, healthServer, httpServer, metricsServer } from './http.ts';
import { createMetrics } from './metrics.ts';

const running: HttpServer[] = [];

async function started(server: HttpServer): Promise<HttpServer> {
  await server.start();
  running.push(server);
  return server;
}

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

const get = (server: HttpServer, path: string, host = '127.0.0.1') => fetch(`http://${host}:${server.port}${path}`);
const hello = { '/': () => new Response('hello') };

describe('httpServer', () => {
  test('listens on 127.0.0.1 and ::1 when its host is localhost', async () => {
    const server = await started(httpServer('test', { host: 'localhost', port: 0 }, hello));
    expect(await (await get(server, '/')).text()).toBe('hello');
    expect(await (await get(server, '/', '[::1]')).text()).toBe('hello');
  });

  test('listens on an explicit host alone', async () => {
    const server = await started(httpServer('test', { host: '127.0.0.1', port: 0 }, hello));
    expect((await get(server, '/')).status).toBe(200);
    await expect(get(server, '/', '[::1]')).rejects.toThrow();
    await expect(get(server, '/', '127.0.0.2')).rejects.toThrow();
  });

  test('listens on every address when its host is empty', async () => {
    const server = await started(httpServer('test', { host: '', port: 0 }, hello));
    for (const host of ['127.0.0.1', '127.0.0.2', '[::1]']) expect((await get(server, '/', host)).status).toBe(200);
  });

  test('names the place it cannot listen on, and holds none of it', async () => {
    const taken = await started(httpServer('test', { host: '::1', port: 0 }, hello));
    const server = httpServer('test', { host: 'localhost', port: taken.port }, hello);
    await expect(server.start()).rejects.toThrow(`Cannot listen on localhost port ${taken.port}: EADDRINUSE`);
    await expect(get(taken, '/')).rejects.toThrow();
  });

  test('answers no more once it has stopped', async () => {
    const server = httpServer('test', { host: 'localhost', port: 0 }, hello);
    await server.start();
    const { port } = server;
    await server.stop();
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  test('knows its paths and methods', async () => {
    const server = await started(httpServer('test', { host: 'localhost', port: 0 }, hello));
    expect((await get(server, '/toString')).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${server.port}/`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`http://127.0.0.1:${server.port}/`, { method: 'HEAD' })).status).toBe(200);
  });
});

test('healthServer answers 204, 200 or 503, the latter with the cause', async () => {
  const health = new HealthAggregator(new ClockFake());
  const server = await started(healthServer({ host: 'localhost', port: 0 }, health));
  expect((await get(server, '/liveness')).status).toBe(204);
  health.register({ name: 'loop' });
  health.report('loop', { live: true, ready: false, detail: 'first apply is not done' });
  const [live, ready] = await Promise.all([get(server, '/liveness'), get(server, '/readiness')]);
  expect([live.status, ready.status]).toEqual([200, 503]);
  expect(await ready.text()).toEndWith('loop is not ready: first apply is not done\n');
  expect(live.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(await live.text()).toContain('| loop ');
});

test('metricsServer serves the text format of Prometheus', async () => {
  const metrics = createMetrics();
  metrics.gauge('felix_routes', 'Routes.').set(5);
  const server = await started(metricsServer({ host: 'localhost', port: 0 }, metrics.registry));
  const response = await get(server, '/metrics');
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  expect(await response.text()).toContain('felix_routes 5');
});

import { afterEach, beforeEach, expect, test } from 'bun:test';
import { Desk, expectGolden } from './testing.ts';

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => desk.close());

const row = (policy: string, index: number, action: string, packets: number, since = '2026-11-21T10:00:00.000Z') => ({
  ...{ policy, tier: 'default', direction: 'ingress', index, action, packets, since, rule: `${action} everything` },
});
const table = (node: string, rows: object[], more = false) => ({
  ...{ table: 'rules', about: 'rules', node, at: '2026-11-21T12:00:00.000Z', more, rows },
  facts: { since: '2026-11-21T10:00:00.000Z', resolutionSeconds: 10 },
});
const node1 = table('node1', [row('np/shop/web', 0, 'allow', 7), row('np/shop/web', 1, 'deny', 0)]);
const node2 = table('node2', [
  row('np/shop/web', 0, 'allow', 0),
  row('np/shop/web', 1, 'deny', 0, '2026-11-21T11:00:00.000Z'),
  row('gnp/all', 0, 'pass', 0),
]);

test('a rule is unused when no node counted a packet of it, by agent and by files', async () => {
  desk.agentTables = { rules: node1 };
  desk.file('node1.json', JSON.stringify(node1));
  desk.file('node2.json', JSON.stringify(node2));
  const lines = [
    'policy unused',
    'policy unused --from $DIR/node1.json $DIR/node2.json',
    'policy unused --from $DIR/node1.json $DIR/node2.json --node node2',
    'policy unused --from $DIR/node1.json $DIR/node2.json -o json',
  ];
  let text = '';
  for (const line of lines) {
    const { code, out, err } = await desk.run(line);
    expect([code, err]).toEqual([0, '']);
    text += `$ calicoctl ${line}\n${out}`;
  }
  expectGolden('policy-unused.txt', text);
});

test('Prometheus is asked for the most that each rule had, and for the names of nodes', async () => {
  const samples = (entries: [Record<string, string>, number][]) => ({
    status: 'success',
    data: { resultType: 'vector', result: entries.map(([metric, value]) => ({ metric, value: [0, String(value)] })) },
  });
  const at = (instance: string, rule: string) => ({ job: 'felix', instance, rule, tier: 'default', action: 'allow' });
  const answers: Record<string, unknown> = {
    felix_host: samples([
      [{ job: 'felix', instance: '192.0.2.1:9091', host: 'node1' }, 1],
      [{ job: 'felix', instance: '192.0.2.2:9091', host: 'node2' }, 1],
    ]),
    felix_rule_packets: samples([
      [at('192.0.2.1:9091', 'np/shop/web/ingress/0'), 0],
      [at('192.0.2.2:9091', 'np/shop/web/ingress/0'), 0],
      [at('192.0.2.2:9091', 'np/shop/web/ingress/1'), 0],
      [{ job: 'felix', instance: '192.0.2.2:9091', rule: 'tier/default/ingress/deny' }, 0],
    ]),
    'max_over_time(felix_rule_packets[7d])': samples([
      [at('192.0.2.1:9091', 'np/shop/web/ingress/0'), 4],
      [at('192.0.2.2:9091', 'np/shop/web/ingress/0'), 0],
      [at('192.0.2.2:9091', 'np/shop/web/ingress/1'), 0],
      [at('192.0.2.2:9091', 'np/shop/gone/ingress/0'), 0],
    ]),
  };
  desk.http = url => {
    const { origin, pathname, searchParams } = new URL(url);
    expect([origin, pathname]).toEqual(['http://prometheus:9090', '/api/v1/query']);
    return answers[searchParams.get('query') ?? ''];
  };
  const { code, out } = await desk.run('policy unused --prometheus http://prometheus:9090/ --window 7d -o json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    nodes: [{ node: 'node1' }, { node: 'node2' }],
    rules: 2,
    unused: [{ policy: 'np/shop/web', direction: 'ingress', index: 1, nodes: ['node2'] }],
  });
  desk.http = () => ({ status: 'error', error: 'query timed out' });
  expect((await desk.run('policy unused --prometheus http://prometheus:9090')).err).toContain('query timed out');
});

test('what cannot be told is refused with what can', async () => {
  const file = desk.file('cut.json', JSON.stringify(table('node1', [], true)));
  desk.file('other.json', JSON.stringify({ ...node1, table: 'pools' }));
  desk.file('broken.json', '{');
  desk.agentTables = { rules: node1 };
  const cases = [
    [`policy unused --from ${file}`, 'rules of node1 are missing; save them again with --limit'],
    ['policy unused --from $DIR/other.json', 'it holds no table of rules'],
    ['policy unused --from $DIR/broken.json', 'it is not JSON'],
    ['policy unused --node node9', '--node is "node9"; known: node1'],
    ['policy unused -o yaml', '--output is "yaml"; allowed: json'],
    ['policy unused --window long', '--window is "long"; allowed: a duration'],
    ['policy unused --from x --prometheus http://y', 'allowed: one of them'],
  ] as const;
  for (const [line, says] of cases) {
    const { code, err } = await desk.run(line);
    expect(`${code} ${err}`).toStartWith('1 ');
    expect(err).toContain(says);
  }
  desk.agentTables = {};
  const { err } = await desk.run('policy unused');
  expect(err).toBe(
    'Cannot tell which rules are unused: nobody answers on debug.sock (elsewhere than on a node: --from FILE or --prometheus URL)\n',
  );
});

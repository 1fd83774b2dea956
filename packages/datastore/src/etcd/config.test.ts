import { describe, expect, test } from 'bun:test';
import { parseEndpoint } from './config.ts';

const cases: [text: string, target: string, host: string, secure: boolean][] = [
  ['http://127.0.0.1:2379', '127.0.0.1:2379', '127.0.0.1', false],
  ['https://etcd-1:4001/', 'etcd-1:4001', 'etcd-1', true],
  ['https://etcd-1:443', 'etcd-1:443', 'etcd-1', true],
  ['http://etcd-1', 'etcd-1:2379', 'etcd-1', false],
  ['https://[fd00::1]:2379', '[fd00::1]:2379', 'fd00::1', true],
];

describe('parseEndpoint', () => {
  for (const [text, target, host, secure] of cases) {
    test(`reads ${text}`, () => expect(parseEndpoint(text)).toEqual({ target, host, secure }));
  }

  for (const text of ['', 'etcd-1:2379', 'unix:///run/etcd', 'http://', 'http://a:99999']) {
    test(`refuses "${text}"`, () => {
      expect(() => parseEndpoint(text)).toThrow(`endpoint is "${text}"; allowed: a URL such as "https://etcd-1:2379"`);
    });
  }
});

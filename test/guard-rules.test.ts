import { describe, expect, it } from 'vitest';
import { isAllowedHost } from '../src/security/host-rules.ts';
import { judgeOrigin } from '../src/security/origin-rules.ts';

const OWN = {
  hostname: 'Laptop',
  addresses: new Set(['203.0.113.7', '100.64.1.2', '2001:db8::7']),
  names: ['gpu1'],
};

describe('the Host rule', () => {
  it.each([
    ...[
      '',
      'localhost',
      'LOCALHOST:11435',
      'laptop',
      'LAPTOP:1',
      'gpu1',
      'a.localhost',
      'my.local',
      'my.LOCAL:80',
    ],
    ...['host.docker.internal', '127.0.0.1', '127.9.9.9:1', '10.1.2.3', '172.16.0.1', '172.31.255.255:9'],
    ...[
      '192.168.0.1:11435',
      '0.0.0.0',
      '[::1]:11435',
      '[::]:1',
      '[fd00::1]:1',
      '203.0.113.7',
      '100.64.1.2:11435',
    ],
    '[2001:db8::7]:1',
  ])('lets %s in', (host) => {
    expect(isAllowedHost(host, OWN)).toBe(true);
  });

  it('lets a missing Host in, as of HTTP/1.0', () => {
    expect(isAllowedHost(undefined, OWN)).toBe(true);
  });

  it.each([
    ...[
      'evil.example',
      'evil.example:11435',
      'localhost.evil.example',
      'local',
      'internal',
      '.evil',
      'xlocalhost',
    ],
    ...[
      '8.8.8.8',
      '172.32.0.1',
      '172.15.0.1',
      '192.169.0.1',
      '100.64.0.1',
      '169.254.1.1',
      '11.0.0.1',
      '203.0.113.8',
    ],
    ...[
      '[2001:db8::8]:1',
      '[fe80::1]:1',
      '127.0.0.1.evil.example',
      '0x7f000001',
      '127.1',
      'localhost@evil.example',
    ],
    ...[
      'laptop.evil.example',
      'my.local.evil',
      '[evil.example]',
      'evil.example:80:localhost',
      '127.0.0.1,evil.example',
    ],
  ])('keeps %s out', (host) => {
    expect(isAllowedHost(host, OWN)).toBe(false);
  });
});

describe('the Origin rule', () => {
  it.each([
    { origin: undefined, is: 'same' },
    { origin: '', is: 'same' },
    { origin: 'http://my.local:11435', is: 'same' },
    { origin: 'https://my.local:11435', is: 'same' },
    { origin: 'http://my.local:11436', is: 'refused' },
    { origin: 'http://localhost', is: 'allowed' },
    { origin: 'http://localhost:3000', is: 'allowed' },
    { origin: 'https://127.0.0.1:1', is: 'allowed' },
    { origin: 'http://0.0.0.0', is: 'allowed' },
    { origin: 'app://x', is: 'allowed' },
    { origin: 'file://', is: 'allowed' },
    { origin: 'tauri://localhost', is: 'allowed' },
    { origin: 'vscode-webview://1', is: 'allowed' },
    { origin: 'vscode-file://vscode-app', is: 'allowed' },
    { origin: 'null', is: 'refused' },
    { origin: 'http://localhost.evil.example', is: 'refused' },
    { origin: 'http://evil.example', is: 'refused' },
    { origin: 'https://127.0.0.1.evil.example', is: 'refused' },
    { origin: 'http://[::1]:3000', is: 'refused' },
    { origin: 'chrome-extension://x', is: 'refused' },
    { origin: 'ftp://localhost', is: 'refused' },
    { origin: 'http://192.168.0.5:3000', is: 'refused' },
  ])('$origin is $is', ({ origin, is }) => {
    expect(judgeOrigin(origin, 'my.local:11435', [])).toBe(is);
  });

  it.each([
    { extra: ['https://a.example'], origin: 'https://a.example', is: 'allowed' },
    { extra: ['https://a.example'], origin: 'https://a.example:8443', is: 'refused' },
    { extra: ['https://*.example'], origin: 'https://b.example', is: 'allowed' },
    { extra: ['https://*.example'], origin: 'https://b.example.evil', is: 'refused' },
    { extra: ['chrome-extension://*'], origin: 'chrome-extension://abc', is: 'allowed' },
    { extra: ['*'], origin: 'https://evil.example', is: 'allowed' },
    { extra: ['*'], origin: 'null', is: 'allowed' },
    { extra: [''], origin: 'null', is: 'refused' },
  ])('with $extra, $origin is $is', ({ extra, origin, is }) => {
    expect(judgeOrigin(origin, 'my.local:11435', extra)).toBe(is);
  });
});

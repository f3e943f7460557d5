import { describe, expect, it } from 'vitest';
import { parseDiscover, parseResolver } from '../src/config/discover.ts';
import { OPTIONS } from '../src/config/options.ts';
import type { Flags } from '../src/config/pick.ts';
import { resolveConfig } from '../src/config.ts';

const resolve = (flags: Flags = {}, env: Record<string, string> = {}) =>
  resolveConfig({
    platform: 'linux',
    homedir: '/home/jo',
    hostname: 'laptop',
    cwd: '/',
    uid: 1000,
    mode: 'client',
    flags,
    env,
  }).discover;

it.each([
  ['dns:_ollama._tcp.gpu.example', { name: '_ollama._tcp.gpu.example' }],
  ['DNS:Ollama.Service.Consul.', { name: 'ollama.service.consul' }],
  ['dns:ollama', { name: 'ollama' }],
  ['dns:a.b@127.0.0.53', { name: 'a.b', resolver: { address: '127.0.0.53', port: 53 } }],
  ['dns:a.b@127.0.0.1:8600', { name: 'a.b', resolver: { address: '127.0.0.1', port: 8600 } }],
  ['dns:a.b@localhost:8600', { name: 'a.b', resolver: { address: '127.0.0.1', port: 8600 } }],
  ['dns:a.b@::1', { name: 'a.b', resolver: { address: '::1', port: 53 } }],
  ['dns:a.b@[fd00::1]:8600', { name: 'a.b', resolver: { address: 'fd00::1', port: 8600 } }],
])('%s is a name to follow', (text, place) => {
  expect(parseDiscover(text)).toEqual(place);
});

it.each([
  ['_ollama._tcp.gpu.example', 'dns:_ollama._tcp'],
  ['consul:x', 'dns:_ollama._tcp'],
  ['dns:', 'whole name'],
  ['dns:.', 'whole name'],
  ['dns:a..b', 'whole name'],
  ['dns:10.0.0.1', 'whole name'],
  ['dns:gpu.münchen.example', 'ASCII'],
  [`dns:${'a'.repeat(64)}.example`, 'whole name'],
  [`dns:${'a.'.repeat(127)}a`, 'whole name'],
  ['dns:a b', 'whole name'],
  ['dns:http://a', 'whole name'],
  ['dns:a.b@', 'ADDRESS[:PORT]'],
  ['dns:a.b@ns.example', 'ADDRESS[:PORT]'],
  ['dns:a.b@127.0.0.1:0', 'ADDRESS[:PORT]'],
  ['dns:a.b@127.0.0.1:65536', 'ADDRESS[:PORT]'],
  ['dns:a.b@127.0.0.1:', 'ADDRESS[:PORT]'],
  ['dns:a.b@[127.0.0.1]:53', 'ADDRESS[:PORT]'],
  ['dns:a.b@[::1', 'ADDRESS[:PORT]'],
])('%s is refused with the remedy', (text, remedy) => {
  expect(() => parseDiscover(text)).toThrow(RangeError);
  expect(() => parseDiscover(text)).toThrow(remedy);
});

it.each([
  ['127.0.0.53', { address: '127.0.0.53', port: 53 }],
  ['10.0.0.1:5353', { address: '10.0.0.1', port: 5353 }],
  ['2001:db8::1', { address: '2001:db8::1', port: 53 }],
  ['[2001:db8::1]:5353', { address: '2001:db8::1', port: 5353 }],
  ['fe80::1%eth0', { address: 'fe80::1%eth0', port: 53 }],
  ['', undefined],
])('the system’s resolver %s is understood', (text, address) => {
  expect(parseResolver(text)).toEqual(address);
});

describe('--discover', () => {
  it('may be repeated or come from the environment, and is absent without either', () => {
    const names = ['dns:a.example', 'dns:b.example@127.0.0.1:8600'];
    expect(resolve({ discover: names })).toEqual(names);
    expect(resolve({}, { OLLANA_DISCOVER: names.join(', ') })).toEqual(names);
    expect(resolve({ discover: ['dns:a'] }, { OLLANA_DISCOVER: 'dns:b' })).toEqual(['dns:a']);
    expect(resolve()).toBeUndefined();
    expect(OPTIONS.discover.commands).toContain('serve');
  });

  it('names itself, the value and its source when it is not understood', () => {
    expect(() => resolve({ discover: ['dns:a', 'srv:b'] })).toThrow(
      /^bad discover "srv:b" from --discover: give/,
    );
    expect(() => resolve({}, { OLLANA_DISCOVER: 'dns:b@c' })).toThrow(/from OLLANA_DISCOVER: .*\[::1\]:53/);
  });
});

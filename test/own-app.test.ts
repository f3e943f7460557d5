import { describe, expect, it } from 'vitest';
import type { PoolServer } from '../src/fleet/pool.ts';
import { modelKey } from '../src/ollama/names.ts';
import type { Exchange } from '../src/proxy/exchange.ts';
import { isOwnApp } from '../src/proxy/own-app.ts';
import { detour } from '../src/routing/detour.ts';
import { type OwnAppFacts, ownAppTargets } from '../src/routing/own-app-targets.ts';

const exchange = (fromHere: boolean, headers: Record<string, string>) =>
  ({ fromHere, request: { headers } }) as unknown as Exchange;

describe('an app of this machine is', () => {
  it.each([
    ['whoever asks on loopback', true, {}, true],
    ['nobody elsewhere', false, {}, false],
    ['no client-mode ollana', true, { via: '1.1 ollana-client-0123456789abcdef' }, false],
    ['no ollana behind another proxy', true, { via: '1.0 fred, 1.1 ollana-server-0123456789abcdef' }, false],
    ['no probe of an ollana', true, { via: '1.1 ollana' }, false],
    ['one that comes through a proxy of the user', true, { via: '1.1 Caddy, 1.1 myollana' }, true],
    ['nobody with a place in a queue', true, { 'x-ollana-device': 'd' }, false],
    ['nobody with a grant', true, { 'x-ollana-grant': 'g' }, false],
    ['nobody who will not wait', true, { 'x-ollana-if-free': '1' }, false],
  ] as const)('%s', (_what, fromHere, headers, is) => {
    expect(isOwnApp(exchange(fromHere, headers))).toBe(is);
  });
});

const HOME = 'http://127.0.0.1:11434';
const DEAD = { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: 'refused' } as const;

function server(name: string, models: readonly string[], more: Partial<PoolServer> = {}): PoolServer {
  return {
    deviceId: name,
    name,
    url: name === 'home' ? HOME : `http://${name}:11435`,
    kind: name === 'home' ? 'ollama' : 'ollana',
    verdict: { state: 'reliable', sinceMs: 0 },
    modelKeys: new Set(models.map(modelKey)),
    ...more,
  } as PoolServer;
}

function names(more: Partial<OwnAppFacts>, pool: readonly PoolServer[]): readonly string[] | string {
  const none = { model: undefined, source: undefined, named: undefined, home: undefined };
  const facts = {
    routeClass: 'inference',
    path: '/api/chat',
    unloads: false,
    unread: false,
    ...none,
  } as const;
  const targets = ownAppTargets({ ...facts, ...more }, pool, HOME);
  if (targets.type === 'nobody') return `${targets.status} ${targets.message}`;
  return targets.type === 'any' ? 'any' : targets.servers.map(({ name }) => name);
}

describe('where a request of an app on a GPU machine goes', () => {
  const both = [server('away', ['m', 'other']), server('home', ['m'])];
  const homeless = [server('away', ['m'])];
  const dead = [server('away', ['m']), server('home', ['m'], { verdict: DEAD })];

  it.each<[string, Partial<OwnAppFacts>, readonly PoolServer[], readonly string[] | RegExp | 'any']>([
    ['runs a model anywhere', { model: 'm' }, both, 'any'],
    ['runs one of ollama.com here', { model: 'gpt:cloud' }, both, ['home']],
    ['runs no such elsewhere', { model: 'gpt:cloud' }, dead, /^503 gpt:cloud/],
    ['runs what nobody can look through here', { unread: true }, both, ['home']],
    ['runs what nobody can look through elsewhere if it must', { unread: true }, dead, 'any'],
    ['unloads a model everywhere', { model: 'm', unloads: true }, both, ['away', 'home']],
    ['runs where it is told to', { model: 'm', named: 'away' }, both, ['away']],
    ['is told when there is no such server', { named: 'nowhere' }, both, /^404 no server is called nowhere/],
    ['looks a model up here', { routeClass: 'holder', model: 'm' }, both, ['home']],
    ['looks up elsewhere what is not here', { routeClass: 'holder', model: 'other' }, both, 'any'],
    ['looks up elsewhere while this one is away', { routeClass: 'holder', model: 'm' }, dead, 'any'],
    ['pulls to here', { routeClass: 'pinned', path: '/api/pull', model: 'm' }, both, ['home']],
    ['pulls to a named one', { routeClass: 'pinned', model: 'm', named: 'away' }, both, ['away']],
    ['deletes here', { routeClass: 'broadcast', model: 'm' }, both, ['home']],
    ['signs out here', { routeClass: 'identity', path: '/api/signout' }, both, ['home']],
    ['spends nobody else’s account', { routeClass: 'identity', named: 'away' }, both, /^403/],
    ['passes what is unknown on to here', { routeClass: 'unknown' }, both, ['home']],
    ['changes nothing elsewhere when there is none here', { routeClass: 'pinned' }, homeless, /^503 .*serve/],
    ['fails here rather than elsewhere', { routeClass: 'pinned' }, dead, ['home']],
    ['has no choice alone', { routeClass: 'pinned', named: 'x' }, [server('home', [])], 'any'],
    ['has no choice without any', { routeClass: 'pinned' }, [], 'any'],
  ])('%s', (_what, more, pool, expected) => {
    const went = names(more, pool);
    if (expected instanceof RegExp) expect(went).toMatch(expected);
    else expect(went).toEqual(expected);
  });
});

it('the way to another machine counts, and so does what nobody knows for sure', () => {
  const estimate = { finishMs: 1000, immediateMs: 100, warm: true, free: false };
  const away = detour(estimate, 3);
  expect(away).toMatchObject({ warm: true, free: false });
  expect(away.finishMs).toBeCloseTo(1153);
  expect(away.immediateMs).toBeCloseTo(118);
  expect(detour(estimate, null).finishMs).toBeCloseTo(1150);
});

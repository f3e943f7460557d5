import { createServer, type ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { howInstalled, howToUpdate } from '../src/cli/update/installed.ts';
import { latestUrl } from '../src/cli/update/update.ts';
import { isNewer } from '../src/cli/update/versions.ts';
import { VERSION } from '../src/config/version.ts';
import { cli } from './_cli.ts';
import { deadUrl, listenOn } from './_cluster-upstream.ts';

/** A registry that answers thus, and what it was asked. */
async function registry(answer: (response: ServerResponse) => void) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(response);
  });
  const { url, ...listening } = await listenOn(server);
  onTestFinished(() => listening[Symbol.asyncDispose]());
  return { url, asked };
}
const says = (version: unknown) => registry((response) => response.end(JSON.stringify({ version })));
const check = (url: string) => cli(['update', '--check'], { npm_config_registry: url });

describe('ollana update', { timeout: 30_000 }, () => {
  it('says what is newer and how to have it, asking once', async () => {
    const { url, asked } = await says('99.1.0');
    expect(await check(url)).toEqual({
      code: 0,
      stdout: `ollana 99.1.0 is there, this is ${VERSION}\nto have it: git pull && npm install\n`,
      stderr: '',
    });
    expect(asked).toEqual(['GET /ollana/latest']);
  });

  it('says that this is the newest', async () => {
    for (const version of [VERSION, '0.0.1', `${VERSION}-beta.1`]) {
      const { url } = await says(version);
      expect(await check(`${url}/npm`)).toMatchObject({
        code: 0,
        stdout: `ollana ${VERSION} is the newest there is\n`,
      });
    }
  });

  it('asks nobody unless it is told to', async () => {
    const { url, asked } = await says('99.1.0');
    const ended = await cli(['update'], { npm_config_registry: url });
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('`ollana update --check` asks') });
    expect(asked).toEqual([]);
  });

  it('says why it does not know', async () => {
    const dead = await deadUrl();
    expect(await check(dead)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^ollana: cannot ask http:\S+ for the newest version \(.*ECONNREFUSED.*\): is this machine online\?/,
      ),
    });
    const none = await registry((response) => response.writeHead(404).end('{}'));
    expect((await check(none.url)).stderr).toContain('has no package called ollana');
    for (const body of ['<html>', '{}', '[', '{"version":"\\u001b[31mred"}', '{"version":7}', 'null']) {
      const odd = await registry((response) => response.end(body));
      const { code, stderr } = await check(odd.url);
      expect([code, stderr.includes('did not say a version')], body).toEqual([1, true]);
      expect(stderr).not.toContain('\u001b');
    }
    expect(await check('nonsense')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"nonsense" is no address'),
    });
  });

  it('waits 5 s for a registry that is silent', async () => {
    const { url } = await registry(() => {});
    const begun = performance.now();
    const { code, stderr } = await check(url);
    expect([code, stderr.includes('no answer within 5 s')]).toEqual([1, true]);
    expect(performance.now() - begun).toBeGreaterThan(4900);
  });
});

describe('the registry', () => {
  it("is npm's, or the one that npm is told to use", () => {
    expect(latestUrl({})).toBe('https://registry.npmjs.org/ollana/latest');
    expect(latestUrl({ NPM_CONFIG_REGISTRY: 'http://mirror:4873/npm' })).toBe(
      'http://mirror:4873/npm/ollana/latest',
    );
    expect(latestUrl({ npm_config_registry: '' })).toBe('https://registry.npmjs.org/ollana/latest');
    expect(() => latestUrl({ npm_config_registry: 'file:///etc' })).toThrow('give one with https://');
  });
});

describe('which version is newer', () => {
  it('follows the order of semantic versions', () => {
    const order = [
      '0.9.10',
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0',
      '1.0.1',
      '1.10.0',
      '2.0.0',
    ];
    for (const [i, a] of order.entries())
      for (const [j, b] of order.entries()) expect(isNewer(a, b), `${a} ${b}`).toBe(i > j);
    expect(isNewer('1.0.0+b', '1.0.0+a')).toBe(false);
    for (const none of ['', '1', 'v1.0.0', '1.0.0 ', '1.0.0-\u001b', `${'9'.repeat(10)}.0.0`])
      expect(isNewer(none, '1.0.0'), none).toBeUndefined();
  });
});

describe('how ollana came here', () => {
  it.each([
    ['/usr/lib/ollana/dist/cli.js', 'debian', 'apt install'],
    ['/usr/local/lib/node_modules/ollana/dist/cli.js', 'npm', 'npm install -g ollana@1.2.3'],
    ['C:\\Users\\a\\AppData\\Roaming\\npm\\node_modules\\ollana\\dist\\cli.js', 'npm', 'npm install -g'],
    ['/home/a/.npm/_npx/12/node_modules/ollana/dist/cli.js', 'npx', 'npx ollana@1.2.3'],
    ['/home/a/app/node_modules/ollana/dist/cli.js', 'project', 'npm install ollana@1.2.3'],
    [
      '/opt/homebrew/Cellar/ollana/1.0.0/libexec/lib/node_modules/ollana/dist/cli.js',
      'homebrew',
      'brew upgrade',
    ],
    ['/ollana/dist/cli.js', 'container', 'image'],
    ['/home/a/ollana/dist/cli.js', 'checkout', 'git pull'],
  ] as const)('%s: %s', (script, installed, words) => {
    expect(howInstalled({ script, isSingle: false })).toBe(installed);
    expect(howToUpdate(installed, '1.2.3')).toContain(words);
    expect(howInstalled({ script, isSingle: true })).toBe('executable');
  });
});

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { firewallText } from '../src/cli/discover-explain.ts';
import { discoverTable, eventLine, reportOf } from '../src/cli/discover-table.ts';
import { helpPage } from '../src/cli/help.ts';
import { columnsOf } from '../src/cli/text.ts';
import type { HeardServer } from '../src/daemon/look-at.ts';
import { LOOPBACK } from './_beacon.ts';
import { cli, type Ended, scratch, startCli } from './_cli.ts';
import { startCluster } from './_cluster.ts';
import { deadUrl, listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { freePort } from './_ports.ts';

/** Starting the command line from its sources takes seconds on a busy machine. */
const LIMIT_MS = 40_000;
const HEARD = {
  ...{ interfaces: ['lo', 'eth0'], sources: ['UDP 11436', 'mDNS'], seconds: 3, trouble: [] },
  pairing: 'required',
} as const;

const server = (more: Partial<HeardServer> = {}): HeardServer => ({
  url: 'http://10.0.0.7:11435',
  name: 'attic',
  deviceId: 'a'.repeat(64),
  kind: 'ollana',
  sources: ['udp', 'mdns'],
  interface: 'eth0',
  here: false,
  heardAfterMs: 4,
  latencyMs: 0.42,
  state: 'usable',
  code: null,
  reason: null,
  ...more,
});

const rejected = (url: string, reason: string, more: Partial<HeardServer> = {}) =>
  server({
    ...{ url, name: null, deviceId: null, kind: null, latencyMs: null },
    ...{ state: 'rejected', code: 'OLLANA_UPSTREAM_FAILED', reason },
    ...more,
  });

describe('the table', () => {
  it('says of each address by whom and where it was heard, and how far it is', () => {
    const table = discoverTable(reportOf({ ...HEARD, servers: [server()] }));
    expect(table).toContain('Listened for 3 s on lo, eth0 (UDP 11436, mDNS).\n');
    expect(table).toMatch(/^attic +10\.0\.0\.7:11435 +udp,mdns +eth0 +0\.4 ms ollana$/m);
    expect(table).toMatch(/\n\n1 usable server, 0 not used\.\n$/);
  });

  it('warns of servers elsewhere that nobody has proved to be, and of no others', () => {
    const table = (...servers: HeardServer[]) =>
      discoverTable(reportOf({ ...HEARD, pairing: 'open', servers }));
    const warning =
      /\n\nNot paired: ids are not verified, and whoever answers.*\n.*`ollana device pair` ends that\.\n$/;
    expect(table(server())).toMatch(warning);
    expect(table(server({ here: true }), server({ url: 'https://gpu.example' }))).not.toMatch(warning);
    expect(table(rejected('http://10.0.0.8:80', 'x'))).not.toMatch(warning);
  });

  it('counts a server at two addresses once', () => {
    const servers = [server(), server({ url: 'http://192.168.1.7:11435', interface: 'wlan0' })];
    expect(discoverTable(reportOf({ ...HEARD, servers }))).toMatch(/^1 usable server at 2 addresses/m);
  });

  it('says why an address is not used, and what was in the way', () => {
    const url = 'http://10.0.0.8:80';
    const table = discoverTable(
      reportOf({
        ...HEARD,
        servers: [
          rejected(url, `what answers at ${url} is not an Ollama (GET /api/version: 200)`),
          rejected('http://10.0.0.9:1', 'connect ECONNREFUSED', { code: 'OLLANA_DIAL_FAILED' }),
          server({ url: 'http://10.0.0.10:1', state: 'asking' }),
        ],
        trouble: ['cannot listen for announcements'],
      }),
    );
    expect(table).toMatch(/^- +10\.0\.0\.8:80 .* rejected$/m);
    expect(table).toMatch(/^- +10\.0\.0\.9:1 .* no answer$/m);
    expect(table).toContain(`\n  what answers at ${url} is not an Ollama`);
    expect(table).toContain('\n  http://10.0.0.9:1: connect ECONNREFUSED\n');
    expect(table).toContain('\n  http://10.0.0.10:1: no answer yet');
    expect(table).toContain('In the way:\n  cannot listen for announcements\n');
    expect(table).toContain('\nNo usable server: run `ollana serve`');
  });

  it('fits 80 columns and steers no terminal, whatever peers say', () => {
    const evil = '\u001b[2J\u001b]0;owned\u0007\u202e名前'.repeat(40);
    const servers = [
      server({ name: evil, interface: 'Ethernet adapter 2', sources: ['udp', 'mdns', 'dns', 'static'] }),
      server({ url: 'http://[2001:db8:1234:5678:9abc:def0:1234:5678]:11435', latencyMs: 123_456 }),
      rejected('http://10.0.0.8:80', `${evil} ${'long reason '.repeat(100)}`),
    ];
    const table = discoverTable(reportOf({ ...HEARD, servers, trouble: [evil] }));
    for (const line of table.split('\n')) expect(columnsOf(line)).toBeLessThanOrEqual(80);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(table).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(table).toContain('\n  [2001:db8:1234:5678:9abc:def0:1234:5678]:11435\n');
    for (const type of ['usable', 'rejected', 'lost'] as const) {
      const line = eventLine({ type, at: 0, server: server({ name: evil, reason: evil }) });
      expect(line).toMatch(/^[^\p{Cc}\p{Cf}]+$/u);
    }
  });

  it('has a line for every kind of change', () => {
    const line = (event: Parameters<typeof eventLine>[0]) => eventLine(event).replace(/^\d\d:\d\d:\d\d /, '');
    const one = server();
    expect(line({ type: 'heard', at: 0, source: 'udp', server: one })).toBe(
      'heard     http://10.0.0.7:11435 attic: by udp on eth0',
    );
    expect(line({ type: 'usable', at: 0, server: one })).toBe(
      'usable    http://10.0.0.7:11435 attic: ollana, 0.4 ms on eth0',
    );
    expect(line({ type: 'rejected', at: 0, server: rejected('http://h:1', 'why') })).toBe(
      'rejected  http://h:1: why',
    );
    expect(line({ type: 'lost', at: 0, server: one })).toBe('lost      http://10.0.0.7:11435 attic');
    expect(line({ type: 'trouble', at: 0, text: 'x' })).toBe('trouble   x');
  });
});

describe('its help', () => {
  it('fits 80 columns and names what it takes', () => {
    const page = helpPage('discover');
    for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    for (const flag of ['--watch', '--json', '--seconds N', '--explain', '--no-udp', '--server-file'])
      expect(page).toContain(flag);
  });
});

describe('what a firewall must let pass', () => {
  it(
    'is told with the ports in question, in 80 columns',
    async () => {
      const text = firewallText({ discovery: 11500, http: 11435 });
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
      expect(text).not.toContain('11436');
      for (const word of ['ufw allow 11500/udp', 'firewall-cmd', 'nft insert', 'New-NetFirewallRule', '5353'])
        expect(text).toContain(word);
      expect(await cli(['discover', '--explain', '--discovery-port', '11500'])).toEqual({
        ...{ code: 0, stdout: text, stderr: '' },
      });
    },
    LIMIT_MS,
  );
});

/** Listens on loopback only, by UDP at a port of this test. */
const listening = (port: number, ...args: string[]) => [
  ...['discover', '--no-mdns', '--interface', LOOPBACK, '--discovery-port', String(port)],
  ...args,
];

const reportIn = ({ stdout }: Ended) => JSON.parse(stdout) as ReturnType<typeof reportOf>;

describe('ollana discover', { timeout: LIMIT_MS }, () => {
  it('finds servers by UDP and by name, tells what else answers, and leaves no daemon', async () => {
    const discoveryPort = await freePort();
    const onLoopback = { discoveryPort, interfaces: [LOOPBACK], udp: true };
    await using cluster = await startCluster({ serve: true, server: onLoopback });
    await using web = await listenOn(createServer((_request, response) => response.end('hello')));
    const dead = await deadUrl();
    const file = join(scratch(), 'servers');
    writeFileSync(file, `${cluster.ollamas[0]?.url}=plain\n${dead}\n`);
    const ended = await cli(
      listening(
        discoveryPort,
        ...['--json', '--seconds', '1', '--server-file', file],
        ...['--server', web.url, '--server', `${cluster.url}=laptop`],
      ),
    );
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const { servers, ...rest } = reportIn(ended);
    const at = (url: string | undefined) => servers.find((one) => one.url === url);
    expect(rest).toEqual({
      seconds: 1,
      interfaces: [LOOPBACK],
      sources: [`UDP ${discoveryPort}`, file, '2 by --server'],
      trouble: [],
      usable: 2,
      pairing: 'open',
    });
    expect(at(cluster.servers[0]?.url)).toEqual({
      url: cluster.servers[0]?.url,
      name: 'a',
      deviceId: expect.stringMatching(/^[0-9a-f]{64}$/),
      kind: 'ollana',
      sources: ['udp'],
      interface: LOOPBACK,
      here: true,
      heardAfterMs: expect.any(Number),
      latencyMs: expect.any(Number),
      state: 'usable',
      code: null,
      reason: null,
    });
    expect(at(cluster.ollamas[0]?.url)).toMatchObject({
      ...{ name: 'plain', kind: 'ollama', sources: ['file'], state: 'usable' },
    });
    expect(at(web.url)).toMatchObject({
      ...{ state: 'rejected', code: 'OLLANA_UPSTREAM_FAILED' },
      reason: expect.stringContaining('is not an Ollama'),
    });
    expect(at(cluster.url)).toMatchObject({
      ...{ state: 'rejected', reason: expect.stringContaining('ollana in client mode') },
    });
    expect(at(dead)).toMatchObject({ state: 'rejected', code: 'OLLANA_DIAL_FAILED' });
    expect(servers).toHaveLength(5);
  });

  it('ends with 1 and says what to do when there is nobody', async () => {
    const { code, stdout, stderr } = await cli(listening(await freePort(), '--seconds', '1'));
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toContain('--explain');
  });

  it('ends with 1 when all that was named is refused', async () => {
    const ended = await cli(
      listening(9, '--no-udp', '--json', '--seconds', '1', '--server', await deadUrl()),
    );
    expect(ended.code).toBe(1);
    expect(reportIn(ended)).toMatchObject({ usable: 0, servers: [{ state: 'rejected' }] });
  });

  it('does not count a server whose Ollama is away', async () => {
    await using cluster = await startCluster({ serve: true });
    const url = cluster.servers[0]?.url ?? '';
    await cluster.ollamas[0]?.[Symbol.asyncDispose]();
    const ended = await cli(listening(9, '--no-udp', '--json', '--seconds', '1', '--server', url));
    expect(ended.code).toBe(1);
    expect(reportIn(ended)).toMatchObject({
      usable: 0,
      servers: [
        { kind: 'ollana', state: 'rejected', reason: expect.stringContaining('is the Ollama behind') },
      ],
    });
  });

  it('refuses to listen to nothing, and a file that is not there', async () => {
    const nothing = await cli(listening(9, '--no-udp'));
    expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('leave out --no-udp') });
    const file = await cli(listening(9, '--no-udp', '--server-file', '/nonexistent'));
    expect(file).toMatchObject({ code: 2, stderr: expect.stringContaining('/nonexistent') });
  });

  it('watches: a line of JSON for every change, until Ctrl-C', async () => {
    const discoveryPort = await freePort();
    const { child, ended } = startCli(listening(discoveryPort, '--watch', '--json'));
    let stdout = '';
    child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    const events = () =>
      stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { type: string; at: string; server: HeardServer });
    const said = (type: string, url: string | undefined) =>
      until(15_000, `${type} ${url}`, () =>
        events().find((one) => one.type === type && one.server.url === url),
      );
    {
      const onLoopback = { discoveryPort, interfaces: [LOOPBACK], udp: true };
      const cluster = await startCluster({ serve: true, server: onLoopback });
      const url = cluster.servers[0]?.url;
      try {
        await said('heard', url);
        expect((await said('usable', url)).server).toMatchObject({ name: 'a', state: 'usable' });
      } finally {
        await cluster[Symbol.asyncDispose]();
      }
      // The server says goodbye.
      await said('lost', url);
    }
    child.kill('SIGINT');
    const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
    expect(code).toBe(0);
    expect(Date.parse(events()[0]?.at ?? '')).toBeGreaterThan(0);
    await ended;
  });
});

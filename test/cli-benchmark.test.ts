import { describe, expect, it } from 'vitest';
import { readFlags } from '../src/cli/argv.ts';
import { cli, type Ended, scratch, startCli } from './_cli.ts';
import { type Cluster, type ClusterOptions, startCluster } from './_cluster.ts';
import { startDaemon } from './_daemon.ts';
import { until, within } from './_deadline.ts';

/** Starting the command line from its sources takes a second on a busy machine. */
const LIMIT_MS = 40_000;
const answer = 'one two three four '.repeat(100);
const MODEL = { name: 'm', tokensPerSecond: 800, prefillPerSecond: 8000 };
const TWO: ClusterOptions = {
  ollamas: [
    { models: [MODEL, { name: 'n' }], answer },
    { models: [MODEL], answer },
  ],
  loaded: ['m', 'm'],
};
const isChat = ({ path }: { path: string }) => path === '/api/chat';

interface Stage extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly dataDir: string;
  run(...args: string[]): Promise<Ended>;
  /** How often models were asked for anything. */
  chats(): number;
}

/** Simulated Ollamas named a and b behind a daemon of a process of its own, which is what commands look for. */
async function stage(): Promise<Stage> {
  const cluster = await startCluster(TWO);
  const names = cluster.ollamas.flatMap(({ url }, i) => ['--server', `${url}=${'ab'[i]}`]);
  const daemon = await startDaemon({
    args: ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback', ...names],
  });
  await until(10_000, 'the daemon to know the models', async () => {
    const { models } = (await (await fetch(`${daemon.url}/ollana/api/models`)).json()) as {
      models: { servers: { loaded: boolean }[] }[];
    };
    const copies = models.flatMap(({ servers }) => servers);
    return copies.length === 3 && copies.filter(({ loaded }) => loaded).length === 2;
  });
  return {
    cluster,
    dataDir: daemon.dataDir,
    run: (...args) => cli(['benchmark', ...args, '--data-dir', daemon.dataDir]),
    chats: () => cluster.ollamas.reduce((sum, { seen }) => sum + seen.filter(isChat).length, 0),
    [Symbol.asyncDispose]: async () => {
      await daemon[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

describe('ollana benchmark', { timeout: LIMIT_MS }, () => {
  it('starts nothing without yes, and says what it would take', async () => {
    await using it = await stage();
    const refused = await it.run('m');
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(/^This uses GPU time: \d+ s for 2 models at 2 servers, about;/);
    expect(refused.stderr).toMatch(/no terminal to ask at: give --yes to start/);
    expect(it.chats()).toBe(0);
    const unknown = await it.run('zz', '--yes');
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toMatch(/^ollana: no model is called zz at a, b: `ollana models` lists/);
    expect(await it.run('--history')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching('No benchmark'),
    });
    expect(it.chats()).toBe(0);
  });

  it('prints a table or JSON, and keeps what was measured', async () => {
    await using it = await stage();
    const table = await it.run('m', '--server', 'B', '--yes');
    expect(table.code).toBe(0);
    expect(table.stderr).toMatch(/^This uses GPU time: .* for 1 model at 1 server/);
    expect(table.stdout).toMatch(/^SERVER +MODEL +FIRST +READ\/S +WRITTEN\/S +LOAD STATE$/m);
    expect(table.stdout).toMatch(/^b +m:latest +\d+\.\d\ds +\d+ +\d+ +- ok$/m);
    for (const line of table.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    const { code, stdout } = await it.run('n', 'm', '--rounds', '2', '--yes', '--json');
    expect(code).toBe(0);
    const run = JSON.parse(stdout);
    expect(run).toMatchObject({ state: 'done', rounds: 2 });
    expect(run.rows.map((row: { server: string; model: string }) => `${row.model}@${row.server}`)).toEqual([
      'm:latest@a',
      'n:latest@a',
      'm:latest@b',
    ]);
    const asked = it.chats();
    const history = await it.run('--history', '--json');
    expect(JSON.parse(history.stdout).history.map(({ id }: { id: string }) => id)[0]).toBe(run.id);
    expect((await it.run('--history')).stdout.match(/^SERVER/gm)).toHaveLength(2);
    expect(it.chats()).toBe(asked);
  });

  it('ends with 1 when something could not be measured, and says why', async () => {
    await using it = await stage();
    it.cluster.ollamas[0]?.faults.set(
      { kind: 'status', status: 500, body: { error: 'no such luck' } },
      { match: isChat },
    );
    const { code, stdout } = await it.run('m', '--yes');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^a +m:latest .* fail$/m);
    expect(stdout).toMatch(/^b +m:latest .* ok$/m);
    expect(stdout).toMatch(/^failed: m:latest at a: .*no such luck/m);
  });

  it('cancels at the servers on Ctrl-C, and tells what it has as partial', async () => {
    await using it = await stage();
    it.cluster.ollamas[0]?.faults.set({ kind: 'stall', afterLines: 2 }, { match: isChat });
    const { child, ended } = startCli(['benchmark', 'm', '--server', 'a', '--yes', '--data-dir', it.dataDir]);
    await within(15_000, 'a request to be sent', it.cluster.ollamas[0]?.onceSeen(isChat) ?? Promise.reject());
    const gone = it.cluster.ollamas[0]?.onceAborted(isChat);
    child.kill('SIGINT');
    await within(3000, 'the request at the server to end', gone ?? Promise.reject());
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^a +m:latest +- +- +- +- part$/m);
    expect(stdout).toMatch(/Partial: it was cancelled when 0 of 1 row/);
    expect(stderr).toMatch(/ollana: benchmark cancelled\n$/);
  });

  it('needs a running ollana', async () => {
    const { code, stderr } = await cli(['benchmark', '--yes', '--data-dir', scratch()]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/no running ollana found/);
  });
});

describe('its arguments', () => {
  it('are models, as many as one likes, and flags between them', () => {
    expect(readFlags('benchmark', ['a', '--server', 'x', 'b', 'c', '--server=y', '--yes', 'd'])).toEqual({
      flags: { server: ['x', 'y'], yes: true },
      words: ['a', 'b', 'c', 'd'],
    });
  });
});

import { describe, expect, it } from 'vitest';
import { cli, type Ended, scratch, startCli } from './_cli.ts';
import { type Cluster, type ClusterOptions, startCluster } from './_cluster.ts';
import { startDaemon } from './_daemon.ts';
import { until } from './_deadline.ts';

const MODELS = [{ name: 'shared' }, { name: 'only-a', contextLength: 2048 }];
const TWO: ClusterOptions = { ollamas: [{ models: MODELS }, { models: [{ name: 'shared' }] }] };
/** Starting the command line from its sources takes a second on a busy machine. */
const LIMIT_MS = 30_000;

interface Stage extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly dataDir: string;
  run(...args: string[]): Promise<Ended>;
}

/**
 * Two simulated Ollamas named a and b behind a client-mode daemon of a process of its own, which is what the
 * commands look for: a state file only counts while an ollana runs under its pid.
 */
async function stage(options: ClusterOptions = TWO): Promise<Stage> {
  const cluster = await startCluster(options);
  const upstreams = options.serve ? cluster.servers : cluster.ollamas;
  const names = upstreams.flatMap(({ url }, i) => ['--server', `${url}=${'ab'[i]}`]);
  const more = (options.servers ?? []).flatMap((server) => ['--server', server]);
  const daemon = await startDaemon({
    args: ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback', ...names, ...more],
  });
  await until(10_000, 'the daemon to know the models', async () => {
    const { models } = (await (await fetch(`${daemon.url}/ollana/api/models`)).json()) as {
      models: { servers: unknown[] }[];
    };
    const wanted = cluster.ollamas.reduce((sum, ollama) => sum + ollama.models.list().length, 0);
    return models.reduce((sum, { servers }) => sum + servers.length, 0) === wanted;
  });
  return {
    cluster,
    dataDir: daemon.dataDir,
    run: (...args) => cli([...args, '--data-dir', daemon.dataDir]),
    [Symbol.asyncDispose]: async () => {
      await daemon[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

const holds = ({ ollamas }: Cluster, i: number, name: string) =>
  ollamas[i]?.models.list().some((model) => model.name === `${name}:latest`) ?? false;

describe('ollana models', { timeout: LIMIT_MS }, () => {
  it('lists every model with where it is installed and loaded, as a table or JSON', async () => {
    await using it = await stage({ ...TWO, loaded: ['only-a', undefined] });
    const table = await it.run('models');
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).toMatch(/^only-a:latest +2.0 GB a +a +2048$/m);
    expect(table.stdout).toMatch(/^shared:latest +2.0 GB (?:a, b|b, a) +- +-$/m);
    const { code, stdout } = await it.run('models', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      models: [{ name: 'only-a:latest', servers: [{ name: 'a', loaded: true, contextLength: 2048 }] }, {}],
    });
  });

  it('marks a name that is not the same model everywhere', async () => {
    await using it = await stage({
      ollamas: ['1', '2'].map((digit) => ({ models: [{ name: 'm', digest: digit.repeat(64) }] })),
    });
    const { stdout } = await it.run('models');
    expect(stdout).toMatch(/^m:latest\* /m);
    expect(stdout).toMatch(/111111111111 on\s+a/);
  });
});

describe('ollana pull', { timeout: LIMIT_MS }, () => {
  it('has the daemon choose, and says where the model went', async () => {
    await using it = await stage();
    const { code, stdout } = await it.run('pull', 'new');
    const [where] = [0, 1].filter((i) => holds(it.cluster, i, 'new'));
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^pulled new to ${where === 0 ? 'a' : 'b'}$`, 'm'));
    expect(stdout).toMatch(/: verifying sha256 digest/);
  });

  it('pulls to the named server, by name or address', async () => {
    await using it = await stage();
    const named = await it.run('pull', 'new', '--on', 'B');
    expect(named).toMatchObject({ code: 0, stderr: '' });
    expect([holds(it.cluster, 0, 'new'), holds(it.cluster, 1, 'new')]).toEqual([false, true]);
    const host = new URL(it.cluster.ollamas[0]?.url ?? '').host;
    expect((await it.run('pull', 'new', '--on', host)).stdout).toMatch(/^pulled new to a$/m);
  });

  it('pulls to all servers, with one line per change of state for each', async () => {
    await using it = await stage();
    const { code, stdout } = await it.run('pull', 'new', '--all');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^pulled new to a, b$/m);
    for (const name of ['a', 'b']) {
      const lines = stdout.split('\n').filter((line) => line.startsWith(`${name}: `));
      expect(lines.length).toBe(new Set(lines).size);
      expect(lines.at(-1)).toMatch(/: success/);
    }
    expect([holds(it.cluster, 0, 'new'), holds(it.cluster, 1, 'new')]).toEqual([true, true]);
  });

  it('fails with the words of those that did not do it', async () => {
    await using it = await stage({ ollamas: [{}, { registry: [] }] });
    const { code, stdout, stderr } = await it.run('pull', 'new', '--all');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^pulled new to a$/m);
    expect(stderr).toBe('ollana: not pulled to b: pull model manifest: file does not exist\n');
  });

  it('names the remedy when a server refuses', async () => {
    await using it = await stage({ ollamas: [{}] });
    const refusal = { error: 'refused; its owner can allow it with `ollana serve --allow manage`' };
    it.cluster.ollamas[0]?.faults.set(
      { kind: 'status', status: 403, body: refusal },
      { match: ({ path }) => path === '/api/pull' },
    );
    const { code, stderr } = await it.run('pull', 'new', '--all');
    expect(code).toBe(1);
    expect(stderr).toBe(`ollana: not pulled to a: ${refusal.error}\n`);
  });

  it('believes no pull that ends without success', async () => {
    await using it = await stage();
    it.cluster.ollamas[1]?.faults.set(
      { kind: 'clean-cut', afterLines: 2 },
      { match: ({ path }) => path === '/api/pull' },
    );
    const { code, stderr } = await it.run('pull', 'new', '--on', 'b');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ollana: not pulled to b: /);
  });

  it('stops at the servers on Ctrl-C', async () => {
    await using it = await stage();
    const isPull = ({ path }: { path: string }) => path === '/api/pull';
    for (const { faults } of it.cluster.ollamas)
      faults.set({ kind: 'stall', afterLines: 2 }, { match: isPull });
    const { child, ended } = startCli(['pull', 'new', '--all', '--data-dir', it.dataDir]);
    let stdout = '';
    child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    await until(
      15_000,
      'both pulls to run',
      () => /^a: pulling/m.test(stdout) && /^b: pulling/m.test(stdout),
    );
    const aborted = it.cluster.ollamas.map((ollama) => ollama.onceAborted(isPull));
    child.kill('SIGINT');
    expect(await ended).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/^ollana: pull cancelled/),
    });
    await Promise.all(aborted);
    expect(holds(it.cluster, 0, 'new')).toBe(false);
  });

  it('names the known servers when there is none of that name', async () => {
    await using it = await stage();
    const { code, stderr } = await it.run('pull', 'new', '--on', 'attic');
    expect(code).toBe(1);
    expect(stderr).toBe(
      'ollana: no server is called attic: known are a, b; `ollana discover` shows who is heard\n',
    );
  });
});

describe('ollana rm and unload', { timeout: LIMIT_MS }, () => {
  it('remove a model everywhere and say where, or at one server only', async () => {
    await using it = await stage();
    const all = await it.run('rm', 'shared');
    expect(all.code).toBe(0);
    expect(all.stdout).toMatch(/^removed shared from (?:a, b|b, a)\n$/);
    expect([holds(it.cluster, 0, 'shared'), holds(it.cluster, 1, 'shared')]).toEqual([false, false]);
    const one = await it.run('rm', 'only-a', '--on', 'a');
    expect(one).toMatchObject({ code: 0, stdout: 'removed only-a from a\n' });
  });

  it('leave other servers alone when one is named', async () => {
    await using it = await stage();
    expect((await it.run('rm', 'shared', '--on', 'b')).stdout).toBe('removed shared from b\n');
    expect([holds(it.cluster, 0, 'shared'), holds(it.cluster, 1, 'shared')]).toEqual([true, false]);
  });

  it('unload a model everywhere', async () => {
    await using it = await stage({ ...TWO, loaded: ['shared', 'shared'] });
    const { code, stdout } = await it.run('unload', 'shared');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^unloaded shared on (?:a, b|b, a)\n$/);
    for (const { models } of it.cluster.ollamas) expect(models.loaded()).toEqual([]);
  });

  it('say who did it and who did not', async () => {
    await using it = await stage();
    it.cluster.ollamas[1]?.faults.set(
      { kind: 'status', status: 500, body: { error: 'disk is read-only' } },
      { match: ({ path }) => path === '/api/delete' },
    );
    const { code, stdout, stderr } = await it.run('rm', 'shared');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('ollana: done on a, but not everywhere\n  b: disk is read-only\n');
  });

  it("pass on Ollama's words about a model that nobody has", async () => {
    await using it = await stage();
    const { code, stderr } = await it.run('rm', 'nope');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ollana: .*nope.* not found/);
  });
});

describe('every command about models', { timeout: LIMIT_MS }, () => {
  const COMMANDS = [['models'], ['pull', 'm'], ['rm', 'm'], ['unload', 'm']];

  it.each(COMMANDS)('%s ends with 4 without a daemon', async (...args) => {
    const { code, stderr } = await cli([...args, '--data-dir', scratch()]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^ollana: no running ollana found in .*\n$/);
  });

  it.each(COMMANDS)('%s has help with examples', async (command) => {
    const { code, stdout } = await cli([command ?? '', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: ollana ${command}`);
    expect(stdout).toMatch(/Examples:\n {2}ollana/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it.each([
    [['pull'], /MODEL is missing: usage: ollana pull MODEL/],
    [['rm', 'm', '--ona', 'x'], /unknown option "--ona": did you mean --on\?/],
    [['pull', 'm', '--on', 'a', '--all'], /give one of them/],
  ])('%j ends with 2', async (args, message) => {
    const { code, stderr } = await cli(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

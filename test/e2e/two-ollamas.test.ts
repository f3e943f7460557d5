import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { LOCAL_FACE } from '../lan/_fleet.ts';
import { realOllamaUnavailable } from './_real-ollama.ts';
import {
  EIGHT_TOKENS,
  NOWHERE,
  type Ran,
  startTwoOllamas,
  type TwoOllamas,
  type Typist,
  writeUnknownGguf,
} from './_two-ollamas.ts';
import { saidOf, sortedLines, tableOf } from './_two-output.ts';

/** Real models on a busy machine with two cores. */
const TEST_MS = 60_000;

describe('the stock Ollama client on a laptop, two real Ollamas behind ollana, one Ollama to compare with', {
  timeout: TEST_MS,
}, () => {
  const unavailable = realOllamaUnavailable();
  skipBecause(unavailable);

  let lab: TwoOllamas;

  beforeAll(async () => {
    if (unavailable === undefined) lab = await startTwoOllamas();
  }, TEST_MS);

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  /** The same command on the laptop and beside the reference, one after the other. */
  async function both(args: readonly string[], input?: string): Promise<{ near: Ran; reference: Ran }> {
    const near = await lab.near.ollama(args, input);
    const reference = await lab.reference.ollama(args, input);
    return { near, reference };
  }

  /** As `both`, for a command that must succeed; what it printed. */
  async function bothPrint(args: readonly string[], input?: string) {
    const { near, reference } = await both(args, input);
    const line = `ollama ${args.join(' ')}`;
    expect(near, `${line} on the laptop: ${near.stderr}`).toMatchObject({ code: 0 });
    expect(reference, `${line} beside the reference: ${reference.stderr}`).toMatchObject({ code: 0 });
    return { near: near.stdout, reference: reference.stdout };
  }

  /** Expects that a command fails on the laptop with the words and the exit code of the reference. */
  async function expectSameFailure(args: readonly string[]): Promise<string> {
    const { near, reference } = await both(args);
    expect(reference.code, `ollama ${args.join(' ')} beside the reference`).not.toBe(0);
    expect({ code: near.code, said: saidOf(near.stderr), out: near.stdout }).toEqual({
      code: reference.code,
      said: saidOf(reference.stderr),
      out: reference.stdout,
    });
    return reference.stderr;
  }

  /** Creates `name` on one side from a Modelfile that is written there. */
  async function create(typist: Typist, name: string, modelfile: string): Promise<string[]> {
    const file = join(typist.home, `${name}.modelfile`);
    writeFileSync(file, modelfile);
    const done = await typist.ollama(['create', name, '-f', file]);
    expect(done, `ollama create ${name}`).toMatchObject({ code: 0 });
    return saidOf(done.stderr);
  }

  test('ollama -v prints what it prints beside one Ollama', async () => {
    const { near, reference } = await both(['-v']);
    expect(near).toEqual(reference);
  });

  test('ollama list shows the union of both machines as one Ollama would, a model on both once', async () => {
    const { near, reference } = await bothPrint(['list']);
    const [rows, expected] = [tableOf('list', near), tableOf('list', reference)];
    const ofOthers = (table: string[]) => table.filter((row) => !row.startsWith('differs'));
    expect(ofOthers(rows)).toEqual(ofOthers(expected));
    expect(ofOthers(rows)).toHaveLength(5);
  });

  test('a name that means another model on each machine is listed once, with the id of one of them', async () => {
    const idIn = (text: string) =>
      [...text.matchAll(/^differs:latest\s+([0-9a-f]{12})\s/gm)].map(([, id]) => id);
    const near = idIn((await lab.near.ollama(['list'])).stdout);
    const one = idIn((await lab.gpu1.ollama.cli('list')).stdout);
    const two = idIn((await lab.gpu2.ollama.cli('list')).stdout);
    expect(one).not.toEqual(two);
    expect(near).toHaveLength(1);
    expect([...one, ...two]).toContain(near[0]);
  });

  test('ollama show prints what one Ollama prints, of a model on both machines and of one on either', async () => {
    for (const model of ['smol', 'only-one', 'only-two']) {
      const { near, reference } = await bothPrint(['show', model]);
      expect(sortedLines(near)).toEqual(sortedLines(reference));
    }
  });

  test.each(['--modelfile', '--template', '--parameters'])(
    'ollama show %s prints what one Ollama prints',
    async (part) => {
      const { near, reference } = await bothPrint(['show', part, 'only-two']);
      // The Modelfile names the blob by its path, which is in another directory on every machine.
      const text = (output: string) => sortedLines(output.replace(/^FROM .*\/blobs\//m, 'FROM '));
      expect(text(near)).toEqual(text(reference));
    },
  );

  test('ollama run answers what one Ollama answers, for a prompt and for a piped one', async () => {
    const prompt = await bothPrint(['run', 'smol', 'Say hello.']);
    expect(prompt.near).toBe(prompt.reference);
    expect(prompt.near.trim().length).toBeGreaterThan(5);
    const piped = await bothPrint(['run', 'smol', 'Name this colour:'], 'a clear sky');
    expect(piped.near).toBe(piped.reference);
    expect(piped.near).not.toBe(prompt.near);
  });

  test('ollama run passes on the tokens as they are made', async () => {
    await using run = lab.near.start(['run', 'smol', 'Say hello.']);
    let pieces = 0;
    run.child.stdout?.on('data', () => {
      pieces += 1;
    });
    run.child.stdin?.end();
    expect((await run.exited).code).toBe(0);
    // Eight tokens; two of them may meet in the pipe on a busy machine, all of them only if they were held back.
    expect(pieces).toBeGreaterThan(2);
  });

  test('ollama ps has a row for each machine that has the model loaded, each as one Ollama prints it', async () => {
    await Promise.all([lab.gpu1.load('smol'), lab.gpu2.load('smol')]);
    await until(8_000, 'both machines in /api/ps', async () => {
      const answer = await lab.laptop.http(`${LOCAL_FACE}/api/ps`);
      return (answer.json() as { models: unknown[] }).models.length === 2;
    });
    const { near, reference } = await bothPrint(['ps']);
    const [header, row] = tableOf('ps', reference);
    expect(row).toMatch(/^smol:latest \|/);
    expect(tableOf('ps', near)).toEqual([header, row, row]);
  });

  test('ollama stop unloads the model on both machines', async () => {
    expect([await lab.gpu1.loaded(), await lab.gpu2.loaded()]).toEqual([['smol'], ['smol']]);
    const { near, reference } = await both(['stop', 'smol']);
    expect([near.code, near.stdout, saidOf(near.stderr)]).toEqual([
      reference.code,
      reference.stdout,
      saidOf(reference.stderr),
    ]);
    // Ollama answers before the runner has ended.
    await until(5_000, 'smol unloaded on both machines', async () => {
      return [...(await lab.gpu1.loaded()), ...(await lab.gpu2.loaded())].length === 0;
    });
  });

  test('ollama cp copies on the machine that has the model, and the copy is listed at once', async () => {
    for (const [from, to] of [
      ['only-one', 'copy-one'],
      ['only-two', 'copy-two'],
    ] as const) {
      const { near, reference } = await bothPrint(['cp', from, to]);
      expect(near).toBe(reference);
      expect((await lab.near.ollama(['list'])).stdout).toContain(`${to}:latest`);
    }
    expect((await lab.gpu1.models()).filter((name) => name.startsWith('copy-'))).toEqual(['copy-one']);
    expect((await lab.gpu2.models()).filter((name) => name.startsWith('copy-'))).toEqual(['copy-two']);
  });

  test('ollama rm removes the model from every machine, and it is listed no more', async () => {
    const { near, reference } = await bothPrint(['rm', 'doomed']);
    expect(near).toBe(reference);
    expect(await lab.gpu1.models()).not.toContain('doomed');
    expect(await lab.gpu2.models()).not.toContain('doomed');
    expect((await lab.near.ollama(['list'])).stdout).not.toContain('doomed');
    await expectSameFailure(['rm', 'doomed']);
  });

  test('ollama create uploads a GGUF of the laptop to one machine, where the model is usable at once', async () => {
    const said: string[][] = [];
    for (const typist of [lab.near, lab.reference]) {
      const gguf = join(typist.home, 'unknown.gguf');
      writeUnknownGguf(gguf);
      said.push(await create(typist, 'uploaded', `FROM ${gguf}\n${EIGHT_TOKENS}`));
      rmSync(gguf);
    }
    expect(said[0]).toEqual(said[1]);
    expect(said[0]).toContain('success');
    const answer = await bothPrint(['run', 'uploaded', 'Say hello.']);
    expect(answer.near).toBe(answer.reference);
    const holders = [await lab.gpu1.models(), await lab.gpu2.models()].filter((all) =>
      all.includes('uploaded'),
    );
    expect(holders).toHaveLength(1);
  });

  test('ollama create from an existing model makes it where that model is', async () => {
    const modelfile = 'FROM only-two\nPARAMETER num_predict 4\n';
    const near = await create(lab.near, 'derived', modelfile);
    expect(near).toEqual(await create(lab.reference, 'derived', modelfile));
    expect(await lab.gpu2.models()).toContain('derived');
    expect(await lab.gpu1.models()).not.toContain('derived');
    const shown = await bothPrint(['show', '--parameters', 'derived']);
    expect(sortedLines(shown.near)).toEqual(sortedLines(shown.reference));
  });

  test('ollama pull of a model that is there fails without internet as one Ollama does', async () => {
    expect(await expectSameFailure(['pull', 'only-one'])).toMatch(/pull model manifest/);
  });

  test('ollama push to a registry that does not answer fails as one Ollama does', async () => {
    const far = `${NOWHERE}/someone/only-one`;
    await bothPrint(['cp', 'only-one', far]);
    expect(await expectSameFailure(['push', '--insecure', far])).toMatch(/refused/);
  });

  test('ollama push to ollama.com says that the laptop has no account for it, and asks no other machine', async () => {
    const { code, stderr } = await lab.near.ollama(['push', 'only-one']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/Error: .*ollama\.com.*account of this machine's own Ollama/);
  });

  test('ollama run of a model that nobody has fails as one Ollama does', async () => {
    await expectSameFailure(['run', 'nobody-has-this', 'hi']);
  });

  test('ollama list answers within a second when an Ollama, then its whole machine, is killed', async () => {
    const timed = async () => {
      const start = performance.now();
      const { code, stdout } = await lab.near.ollama(['list']);
      expect([code, stdout]).toEqual([0, expect.stringContaining('only-one')]);
      return performance.now() - start;
    };
    // A killed Ollama would leave its runners behind for good.
    await lab.gpu2.unload();
    await lab.gpu2.ollama.process.stop('SIGKILL');
    expect(await timed()).toBeLessThan(1000);
    await lab.gpu2.server.stop('SIGKILL');
    expect(await timed()).toBeLessThan(1000);
  });
});

import { describe, expect, it } from 'vitest';
import { call } from './_api.ts';
import { until } from './_deadline.ts';
import { QUARTER_MS, stage } from './_health-daemon.ts';

describe('the health of a whole daemon', () => {
  it('models that push each other out are told, and so is a model that does not fit into the GPU', async () => {
    const models = [
      { name: 'one', size: 4e9 },
      { name: 'two', size: 4e9 },
      { name: 'big', size: 40e9 },
    ];
    await using it = await stage({ ollamas: [{ models, memoryBytes: 6e9 }] });
    const [ollama] = it.cluster.ollamas;
    for (let i = 0; i < 8; i += 1) {
      const name = i % 2 ? 'two' : 'one';
      await it.run(name);
      await it.sync();
      const loaded = () => it.cluster.view(0).loaded.includes(`${name}:latest`);
      await until(5000, `${name} to be seen`, loaded);
      await until(2000, 'a look at it', async () => {
        const before = (await it.report()).lookedAt;
        return until(2000, 'the next look', async () => (await it.report()).lookedAt !== before);
      });
    }
    expect(await it.found('model-thrashing')).toMatchObject({ server: 'a', severity: 'warning' });
    it.skip(QUARTER_MS);
    await it.solved('model-thrashing');

    await it.run('big');
    await it.sync();
    expect(await it.found('memory-pressure')).toMatchObject({
      model: 'big:latest',
      seen: expect.stringContaining('85 %'),
    });
    await it.run('one');
    await until(5000, 'big to leave', () =>
      ollama?.models.loaded().every(({ name }) => name !== 'big:latest'),
    );
    await it.sync();
    await it.solved('memory-pressure');
  });

  it('contexts that change are told, and contexts that nobody fills', async () => {
    await using it = await stage({ ollamas: [{ models: [{ name: 'm', contextLength: 65_536 }] }] });
    for (const num_ctx of [65_536, 32_768, 65_536, 32_768]) {
      await it.run('m', { options: { num_ctx } });
      await it.sync();
      await until(3000, 'a look at it', async () => {
        const before = (await it.report()).lookedAt;
        return until(2000, 'the next look', async () => (await it.report()).lookedAt !== before);
      });
    }
    expect(await it.found('context-protection')).toMatchObject({
      remedy: { command: 'ollana --protect-context' },
      seen: expect.stringMatching(/^3 times .* to 32768/),
    });
    for (let i = 0; i < 20; i += 1) await it.run('m', { options: { num_ctx: 32_768 } });
    expect(await it.found('context-waste')).toMatchObject({
      model: 'm:latest',
      seen: expect.stringContaining('32768'),
    });
    const { recommendations } = (await call(it.url, '/dashboard/api/recommendations')).json;
    expect(recommendations).toMatchObject([{ kind: 'context', model: 'm:latest', server: 'a' }]);
    it.skip(QUARTER_MS);
    await it.solved('context-protection');
    await it.run('m', { options: { num_ctx: 4096 } });
    await it.sync();
    await it.solved('context-waste');
  });

  it('a favourite that is nowhere, and one that is loaded nowhere', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    for (let i = 0; i < 12; i += 1) expect(await it.run('wanted')).toBe(404);
    expect(await it.found('favourite-missing')).toMatchObject({ remedy: { command: 'ollana pull wanted' } });
    ollama?.models.add({ name: 'wanted' });
    await it.sync();
    expect(await it.found('favourite-cold')).toMatchObject({ model: 'wanted' });
    await it.solved('favourite-missing');
    await ollama?.load('wanted');
    await it.sync();
    await it.solved('favourite-cold');
  });
});

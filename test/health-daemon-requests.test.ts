import { describe, expect, it } from 'vitest';
import { until } from './_deadline.ts';
import { QUARTER_MS, stage } from './_health-daemon.ts';

describe('the health of a whole daemon', () => {
  it('answers that break off are told, and a server that breaks them off is degraded until it completes one', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    ollama?.faults.set({ kind: 'cut', afterLines: 1 });
    for (let i = 0; i < 3; i += 1) await it.run('simulated', { stream: true }).catch(() => undefined);
    expect(await it.found('incomplete-streams')).toMatchObject({
      server: 'a',
      seen: expect.stringMatching(/^[23] of [23]/),
    });
    expect(await it.found('server-degraded')).toMatchObject({ server: 'a' });
    ollama?.faults.clear();
    expect(await it.run()).toBe(200);
    await it.solved('server-degraded');
    it.skip(QUARTER_MS);
    await it.solved('incomplete-streams');
  });

  it('requests that fail are a rate', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    ollama?.faults.set({ kind: 'status', status: 500 });
    for (let i = 0; i < 6; i += 1) expect(await it.run()).toBe(500);
    ollama?.faults.clear();
    for (let i = 0; i < 6; i += 1) expect(await it.run()).toBe(200);
    expect(await it.found('error-rate')).toMatchObject({
      severity: 'critical',
      seen: expect.stringMatching(/^6 of 1/),
    });
    it.skip(QUARTER_MS);
    await it.solved('error-rate');
  });

  it('requests that are sent again are a rate', async () => {
    await using it = await stage({ ollamas: [{}, {}] });
    for (let i = 0; i < 10; i += 1) {
      // Whoever is asked first fails it; nobody stays away for that.
      for (const ollama of it.cluster.ollamas) ollama.faults.clear();
      const sick = it.cluster.ollamas[i % 2];
      sick?.faults.set({ kind: 'status', status: 503 }, { times: 1 });
      expect(await it.run('simulated', {})).toBe(200);
    }
    const { ollamas } = it.cluster;
    expect(
      ollamas.flatMap(({ seen }) => seen).filter(({ path }) => path === '/api/generate').length,
    ).toBeGreaterThan(12);
    expect(await it.found('retry-rate')).toMatchObject({ severity: 'warning' });
    for (const ollama of ollamas) ollama.faults.clear();
    it.skip(QUARTER_MS);
    await it.solved('retry-rate');
  });

  it('clients that leave are told, and those that wait in vain for half a minute besides', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    ollama?.faults.set({ kind: 'hang' });
    for (let i = 0; i < 5; i += 1) {
      const leave = new AbortController();
      const left = fetch(`${it.url}/api/generate`, {
        method: 'POST',
        body: JSON.stringify({ model: 'simulated', prompt: 'hi' }),
        signal: leave.signal,
      }).catch(() => 'left');
      await until(
        5000,
        'the request to arrive',
        () => ollama?.seen.filter(({ path }) => path === '/api/generate').length === i + 1,
      );
      if (i < 2) it.skip(31_000);
      leave.abort();
      expect(await left).toBe('left');
    }
    ollama?.faults.clear();
    for (let i = 0; i < 5; i += 1) await it.run();
    expect(await it.found('load-timeouts')).toMatchObject({
      model: 'simulated',
      seen: expect.stringMatching(/^2 of /),
    });
    expect(await it.found('client-disconnects')).toMatchObject({
      severity: 'info',
      seen: expect.stringMatching(/^5 of /),
    });
    it.skip(QUARTER_MS);
    await it.solved('load-timeouts');
    await it.solved('client-disconnects');
  });
});

import { describe, expect, it } from 'vitest';
import { elapse, jobOf, loadOf, VirtualGpu } from './_virtual-gpu.ts';

describe('a load that has ended', () => {
  it('has the list read while its first request runs: what it pushed out is certain then', () => {
    const gpu = new VirtualGpu();
    const asked = gpu.ask('x', jobOf('x'));
    gpu.begin(asked);
    expect(gpu.looks).toHaveLength(1);
    gpu.end(asked);
    gpu.begin(gpu.ask('again', jobOf('x')));
    expect(gpu.looks).toHaveLength(1);
  });
});

describe('loads', () => {
  it('happen one at a time, also where all have room', () => {
    const gpu = new VirtualGpu({ fits: 3 });
    for (const model of ['x', 'y', 'z']) gpu.run(model, jobOf(model));
    expect([gpu.order, gpu.admission.loading]).toEqual([['x'], 'x']);
    elapse(gpu.clock, 1000);
    expect([gpu.order, gpu.admission.loading]).toEqual([['x', 'y'], 'y']);
    elapse(gpu.clock, 5000);
    expect(gpu).toMatchObject({ loads: ['x', 'y', 'z'], mostLoads: 1 });
    expect(gpu.admission.loading).toBeUndefined();
  });

  it('leave no room to others while they last', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    gpu.ask('y', jobOf('y'));
    expect(loadOf(gpu, 'y')).toMatchObject({ loading: true, evicts: [] });
    expect(gpu.admission.load(['z']).models.z).toMatchObject({ evicts: ['x'], evictsMs: 1000 });
  });

  it('are the shorter to wait for the longer they last', () => {
    const gpu = new VirtualGpu();
    const backlog = () => loadOf(gpu, 'x')?.backlogMs;
    gpu.ask('x', jobOf('x'));
    expect(backlog()).toBe(1000 + 1000);
    elapse(gpu.clock, 700);
    expect(backlog()).toBe(300 + 1000);
  });

  it('that failed make room for the next', () => {
    const gpu = new VirtualGpu();
    const failed = gpu.ask('x', jobOf('x'));
    gpu.ask('y', jobOf('y'));
    gpu.end(failed);
    expect([gpu.order, gpu.admission.loading]).toEqual([['x', 'y'], 'y']);
  });

  it('let what is loaded be used until their patience is over, and happen then', () => {
    const gpu = new VirtualGpu({ fits: 1 });
    gpu.warm('x');
    for (let i = 0; i < 20; i += 1) gpu.run(`x${i}`, jobOf('x'));
    gpu.run('y', jobOf('y'));
    // Twice two loads of 1000 ms; the one that runs then ends at 4000.
    elapse(gpu.clock, 3999);
    expect(gpu.order).toEqual(['x0', 'x1', 'x2', 'x3']);
    elapse(gpu.clock, 2);
    expect(gpu.order.slice(4)).toEqual(['y']);
  });

  it('wait for what runs even when their patience is over, and nobody new is let in before them', () => {
    const gpu = new VirtualGpu({ fits: 1 });
    gpu.warm('x');
    const long = gpu.ask('x0', jobOf('x'));
    gpu.ask('x1', jobOf('x'));
    gpu.ask('y', jobOf('y'));
    elapse(gpu.clock, 9000);
    expect(gpu.order).toEqual(['x0']);
    gpu.end(long);
    expect(gpu.order).toEqual(['x0', 'y']);
  });

  it('happen at once where nobody waits for what they push out', () => {
    const gpu = new VirtualGpu({ fits: 1 });
    gpu.warm('x');
    gpu.ask('y', jobOf('y'));
    expect(gpu.order).toEqual(['y']);
  });

  it('come about for everybody, of two models that push each other out', () => {
    const gpu = new VirtualGpu({ fits: 1 });
    for (let i = 0; i < 20; i += 1) for (const model of ['x', 'y']) gpu.run(`${model}${i}`, jobOf(model));
    elapse(gpu.clock, 40_000 + 40_000);
    expect(gpu.order).toHaveLength(40);
    expect(gpu.most).toBe(1);
    // Each has the GPU for the patience of the other, less the load: three requests or more.
    expect(gpu.loads.length).toBeLessThanOrEqual(15);
  });

  it('are needed for another context, of a model that nobody runs', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x', 4096);
    const same = gpu.ask('same', jobOf('x', { numCtx: 4096 }));
    gpu.ask('other', jobOf('x', { numCtx: 8192 }));
    expect(gpu.loads).toEqual([]);
    gpu.end(same);
    expect(gpu.loads).toEqual(['x']);
    expect(loadOf(gpu, 'x')).toMatchObject({ loading: true, loaded: false, active: 1 });
  });
});

describe('what Ollama’s list says', () => {
  it('is news: a model is found, and forgotten when it has vanished', () => {
    const gpu = new VirtualGpu();
    gpu.admission.sync(['x'], 0);
    expect(loadOf(gpu, 'x')).toMatchObject({ loaded: true, numCtx: null });
    elapse(gpu.clock, 100);
    gpu.admission.sync([], 100);
    expect(loadOf(gpu, 'x')).toBeUndefined();
  });

  it('deletes nothing that we know from later', () => {
    const gpu = new VirtualGpu();
    elapse(gpu.clock, 100);
    gpu.warm('x');
    gpu.admission.sync([], 50);
    expect(loadOf(gpu, 'x')?.loaded).toBe(true);
  });

  it('deletes nothing that is running', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    const asked = gpu.ask('x', jobOf('x'));
    elapse(gpu.clock, 100);
    asked.seat?.begun();
    gpu.admission.sync([], 100);
    gpu.end(asked);
    expect(loadOf(gpu, 'x')?.loaded).toBe(true);
  });

  it('does not end a load before its time', () => {
    const gpu = new VirtualGpu();
    gpu.ask('x', jobOf('x'));
    elapse(gpu.clock, 500);
    gpu.admission.sync(['x'], 500);
    expect(loadOf(gpu, 'x')).toMatchObject({ loaded: false, loading: true });
    elapse(gpu.clock, 600);
    gpu.admission.sync(['x'], 1100);
    expect(loadOf(gpu, 'x')).toMatchObject({ loaded: true, loading: false, numCtx: 0 });
  });

  it('is waited for after a load that may have pushed something out', () => {
    const gpu = new VirtualGpu({ fits: 1, sure: false });
    gpu.warm('x');
    gpu.admission.sync(['x'], gpu.clock.now() + 100);
    elapse(gpu.clock, 200);
    gpu.looks.length = 0;
    gpu.ask('y', jobOf('y'));
    gpu.ask('x', jobOf('x'));
    expect(gpu.order).toEqual(['y']);
    gpu.admission.sync(['x'], 250);
    expect(gpu.order).toEqual(['y']);
    elapse(gpu.clock, 110);
    expect(gpu.looks).toHaveLength(1);
    gpu.admission.sync(['x'], gpu.looks[0] ?? 0);
    expect(gpu.order).toEqual(['y', 'x']);
  });
});

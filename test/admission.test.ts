import { describe, expect, it } from 'vitest';
import { elapse, jobOf, loadOf, RESULT, VirtualGpu } from './_virtual-gpu.ts';

describe('the queue before one slot', () => {
  it('never lets two in, and serves in order', () => {
    const gpu = new VirtualGpu();
    const names = Array.from({ length: 12 }, (_, i) => `${i}`);
    for (const name of names) gpu.run(name, jobOf('x'));
    elapse(gpu.clock, 1000 + 12_000 + 1);
    expect(gpu).toMatchObject({ most: 1, order: names, loads: ['x'] });
    expect(loadOf(gpu, 'x')).toMatchObject({ active: 0, queued: 0, backlogMs: 0 });
  });

  it('leaves no gap between requests', () => {
    const gpu = new VirtualGpu();
    for (let i = 0; i < 12; i += 1) gpu.run(`${i}`, jobOf('x'));
    elapse(gpu.clock, 1000 + 12_000 - 1);
    expect(loadOf(gpu, 'x')?.active).toBe(1);
    elapse(gpu.clock, 1);
    expect(loadOf(gpu, 'x')?.active).toBe(0);
  });

  it('gives the devices turns: a hundred of one delay another’s by one', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    for (let i = 0; i < 100; i += 1) gpu.run(`a${i}`, jobOf('x', { device: 'a' }));
    elapse(gpu.clock, 5500);
    for (let i = 0; i < 3; i += 1) gpu.run(`b${i}`, jobOf('x', { device: 'b' }));
    elapse(gpu.clock, 6000);
    expect(gpu.order.slice(6, 12)).toEqual(['a6', 'b0', 'a7', 'b1', 'a8', 'b2']);
  });

  it('tells those who wait how long those ahead of them will take, turns counted', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    const asked = (device: string) => gpu.ask(device, jobOf('x', { device })).aheadMs;
    expect(asked('first')).toBeUndefined();
    elapse(gpu.clock, 400);
    expect([asked('a'), asked('a'), asked('a')]).toEqual([600, 1600, 2600]);
    expect([asked('b'), asked('b')]).toEqual([1600, 3600]);
  });

  it('tells of those ahead as of so many that run at once, and of a load', () => {
    const gpu = new VirtualGpu({ slots: 2 });
    gpu.warm('x');
    for (let i = 0; i < 3; i += 1) gpu.ask(`${i}`, jobOf('x'));
    expect(gpu.ask('next', jobOf('x')).aheadMs).toBe(1500);
    gpu.ask('loader', jobOf('y'));
    expect(gpu.ask('next', jobOf('y')).aheadMs).toBe(2000);
  });

  it('forgets who closes its ticket', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    const [first, second] = ['0', '1', '2'].map((name) => gpu.ask(name, jobOf('x')));
    second!.ticket.close();
    second!.ticket.close();
    expect(loadOf(gpu, 'x')?.queued).toBe(1);
    gpu.end(first!);
    expect(gpu.order).toEqual(['0', '2']);
  });

  it('counts who waits less where most who waited went elsewhere', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    const runs = gpu.ask('runs', jobOf('x'));
    const others = Array.from({ length: 20 }, (_, i) => gpu.ask(`${i}`, jobOf('x')));
    expect(loadOf(gpu, 'x')?.backlogMs).toBe(21 * 1000);
    for (const { ticket } of others) ticket.close();
    gpu.ask('last', jobOf('x'));
    const { backlogMs = 0 } = loadOf(gpu, 'x') ?? {};
    expect(backlogMs).toBeGreaterThan(1000);
    expect(backlogMs).toBeLessThan(1200);
    gpu.end(runs);
  });

  it('takes a seat back once', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    const [first] = ['0', '1', '2'].map((name) => gpu.ask(name, jobOf('x')));
    first!.seat!.release(RESULT);
    first!.seat!.release(RESULT);
    first!.seat!.begun();
    expect(gpu.order).toEqual(['0', '1']);
    expect(gpu.learned).toEqual([{ model: 'x', result: RESULT, crowd: 1, cold: false }]);
  });

  it('is bounded for each device, not for the others', () => {
    const gpu = new VirtualGpu();
    const all = Array.from({ length: 300 }, (_, i) => gpu.ask(`${i}`, jobOf('x', { device: 'a' })));
    expect(all.filter(({ refused }) => refused !== undefined)).toHaveLength(300 - 257);
    expect(all.at(-1)?.refused).toBe('its queue is full (256 waiting of this device, 256 in all)');
    expect(gpu.ask('b', jobOf('x', { device: 'b' })).refused).toBeUndefined();
    all[5]!.ticket.close();
    expect(gpu.ask('again', jobOf('x', { device: 'a' })).refused).toBeUndefined();
  });

  it('lets as many in as there are slots', () => {
    const gpu = new VirtualGpu({ slots: 3 });
    gpu.warm('x');
    for (let i = 0; i < 5; i += 1) gpu.ask(`${i}`, jobOf('x'));
    expect(gpu.order).toEqual(['0', '1', '2']);
  });
});

describe('a seat taken without waiting', () => {
  it('is there in a loaded model with a free slot that nobody waits for', () => {
    const gpu = new VirtualGpu();
    expect(gpu.admission.take(jobOf('x'))).toBeUndefined();
    gpu.warm('x');
    expect(gpu.admission.take(jobOf('x', { numCtx: 4096 }))).toBeUndefined();
    const seat = gpu.admission.take(jobOf('x'));
    expect(seat).toBeDefined();
    expect(gpu.admission.take(jobOf('x'))).toBeUndefined();
    gpu.ask('waits', jobOf('x'));
    seat!.release();
    expect(gpu.order).toEqual(['waits']);
  });
});

describe('a seat that has not been taken up', () => {
  it('has pushed nothing out when it is given back', () => {
    const gpu = new VirtualGpu({ fits: 1 });
    gpu.warm('x');
    const looks = gpu.looks.length;
    gpu.hold('y', jobOf('y')).seat?.release();
    expect(loadOf(gpu, 'x')).toMatchObject({ loaded: true });
    expect(gpu.admission.load(['y']).models.y).toMatchObject({ loaded: false, evictsMs: 1000 });
    expect(gpu.looks).toHaveLength(looks);
  });

  it('keeps others from what it will push out, until it is used or given back', () => {
    const gpu = new VirtualGpu({ fits: 1 });
    gpu.warm('x');
    const held = gpu.hold('y', jobOf('y'));
    expect(gpu.admission.take(jobOf('x'))).toBeUndefined();
    gpu.ask('x', jobOf('x'));
    expect(gpu.order).toEqual(['y']);
    held.seat?.release();
    expect(gpu.order).toEqual(['y', 'x']);
  });

  it('pushes out once it is taken up', () => {
    const gpu = new VirtualGpu({ fits: 1 });
    gpu.warm('x');
    gpu.hold('y', jobOf('y')).seat?.use();
    expect(loadOf(gpu, 'x')).toBeUndefined();
  });
});

describe('what is told of the load', () => {
  it('counts everybody who waits', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    for (let i = 0; i < 3; i += 1) gpu.ask('x', jobOf('x'));
    expect(loadOf(gpu, 'x')).toMatchObject({ active: 1, queued: 2, backlogMs: 3000 });
  });

  it('has several models share the GPU, and a load that is not over', () => {
    const gpu = new VirtualGpu({ fits: 3 });
    for (const model of ['x', 'y']) gpu.warm(model);
    for (const model of ['x', 'y', 'z']) gpu.ask(model, jobOf(model));
    elapse(gpu.clock, 600);
    const { models } = gpu.admission.load(['other']);
    expect(models).toMatchObject({
      x: { active: 1, backlogMs: 700, loaded: true, evictsMs: 0 },
      y: { active: 1, backlogMs: 700, loaded: true },
      z: { active: 1, backlogMs: 1400, loaded: false, loading: true },
      other: { active: 0, backlogMs: 0, loaded: false, evictsMs: 1000 },
    });
  });

  it('prices what a load is known to push out, and nothing that only might go', () => {
    const told = (sure: boolean) => {
      const gpu = new VirtualGpu({ fits: 1, sure, loadMs: { x: 700 } });
      gpu.admission.sync(['x'], 0);
      return gpu.admission.load(['y']).models.y;
    };
    expect(told(true)).toMatchObject({ evictsMs: 700, evicts: ['x'] });
    expect(told(false)).toMatchObject({ evictsMs: 0, evicts: [] });
  });
});

describe('the work done lately', () => {
  it('is told of each model, what is older counting for less', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    gpu.run('x', jobOf('x'));
    elapse(gpu.clock, 1000);
    expect(loadOf(gpu, 'x')?.recentMs).toBe(1000);
    elapse(gpu.clock, 15_000);
    expect(loadOf(gpu, 'x')?.recentMs).toBe(500);
  });

  it('is what a model had of a GPU that it shared', () => {
    const gpu = new VirtualGpu();
    gpu.warm('x');
    gpu.warm('y');
    gpu.run('x', jobOf('x'));
    gpu.run('y', jobOf('y'));
    elapse(gpu.clock, 1000);
    expect(loadOf(gpu, 'x')?.recentMs).toBe(500);
  });
});

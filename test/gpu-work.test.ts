import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../scripts/sim/virtual-clock.ts';
import { GpuWork, type Work } from '../src/server/gpu-work.ts';
import { elapse } from './_virtual-gpu.ts';

const work = (model: string, expectedMs = 1000): Work => ({
  ...{ model, expectedMs, startedAt: undefined, share: 0, crowd: 0 },
});

function started(...works: readonly Work[]) {
  const clock = new VirtualClock();
  const gpu = new GpuWork(clock);
  for (const one of works) gpu.start(one);
  return { gpu, pass: (ms: number) => elapse(clock, ms) };
}

describe('the work left on a GPU', () => {
  it('goes by at full speed when one model is at work', () => {
    const a = work('a');
    const { gpu, pass } = started(a);
    pass(400);
    expect(gpu.left(a)).toBe(600);
  });

  it('goes by at half speed beside another model, and at full speed again without it', () => {
    const [a, b] = [work('a'), work('b')];
    const { gpu, pass } = started(a, b);
    pass(400);
    expect([gpu.left(a), gpu.left(b)]).toEqual([800, 800]);
    gpu.end(b);
    pass(400);
    expect(gpu.left(a)).toBe(400);
  });

  it('goes by at full speed for several requests of one model', () => {
    const [a, b] = [work('a'), work('a')];
    const { gpu, pass } = started(a, b);
    pass(400);
    expect(gpu.left(a)).toBe(600);
    gpu.end(b);
    pass(100);
    expect(gpu.left(a)).toBe(500);
  });

  it('is never less than a quarter of what was expected', () => {
    const a = work('a');
    const { gpu, pass } = started(a);
    pass(5000);
    expect(gpu.left(a)).toBe(250);
  });

  it('is all of it before it has begun', () => {
    const a = work('a');
    const { gpu, pass } = started(work('b'));
    pass(300);
    expect(gpu.left(a)).toBe(1000);
    gpu.start(a);
    pass(300);
    expect(gpu.left(a)).toBe(850);
  });

  it('counts from its first start only', () => {
    const a = work('a');
    const { gpu, pass } = started(a);
    pass(400);
    gpu.start(a);
    expect(gpu.left(a)).toBe(600);
    gpu.end(a);
    const b = work('b');
    gpu.start(b);
    pass(300);
    expect(gpu.left(b)).toBe(700);
  });
});

describe('the crowd that a request had beside it', () => {
  it('is the number of models at work, averaged over its time', () => {
    const [a, b] = [work('a'), work('b')];
    const { gpu, pass } = started(a);
    pass(300);
    gpu.start(b);
    pass(100);
    expect(gpu.end(b)).toBe(2);
    expect(gpu.end(a)).toBe(1.25);
  });

  it('is not what went on before it', () => {
    const [a, b, c] = [work('a'), work('b'), work('c')];
    const { gpu, pass } = started(a, b);
    pass(1000);
    gpu.end(a);
    gpu.end(b);
    pass(1000);
    gpu.start(c);
    pass(100);
    expect(gpu.end(c)).toBe(1);
  });

  it('is one for a request that never began or took no time', () => {
    const a = work('a');
    const { gpu } = started(a, work('b'));
    expect([gpu.end(a), gpu.end(work('c'))]).toEqual([1, 1]);
  });
});

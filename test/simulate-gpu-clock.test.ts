import { describe, expect, test } from 'vitest';
import { GpuClock } from '../src/simulate/gpu-clock.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { steppedClock } from './_simulate-client.ts';

describe('the clock of a GPU', () => {
  const shared = (speed = 1) => {
    const real = steppedClock();
    return { real, gpu: new GpuClock(real, { shared: true, speed }) };
  };

  test('is the real clock while nothing or one request runs', () => {
    const { real, gpu } = shared();
    real.advance(100);
    expect(gpu.now()).toBe(100);
    const run = gpu.run();
    real.advance(100);
    expect(gpu.now()).toBe(200);
    run.end();
    real.advance(100);
    expect(gpu.now()).toBe(300);
    expect(gpu.wall()).toBe(real.wall());
  });

  test.each([
    { running: 1, at: 1000 },
    { running: 2, at: 2000 },
    { running: 4, at: 4000 },
  ])('with $running running, a second of work ends after $at ms', ({ running, at }) => {
    const { real, gpu } = shared();
    for (let i = 0; i < running; i++) gpu.run();
    let firedAt: number | undefined;
    gpu.after(1000, () => {
      firedAt = real.now();
    });
    real.advance(10_000);
    expect(firedAt).toBe(at);
  });

  test('a timer follows every change, also one made by another timer', () => {
    const { real, gpu } = shared();
    const ends: number[] = [];
    gpu.run();
    gpu.after(1000, () => ends.push(real.now()));
    real.advance(200);
    // 800 left. Two share: 300 of work take 600, then 500 are left, alone.
    gpu.run().endAfter(300);
    real.advance(10_000);
    expect(ends).toEqual([200 + 600 + 500]);
  });

  test('ending twice counts once, and an ended run leaves no timer', () => {
    const { real, gpu } = shared();
    gpu.run();
    gpu.run();
    const third = gpu.run();
    third.endAfter(1000);
    third.end();
    third.end();
    const before = gpu.now();
    real.advance(10_000);
    expect(gpu.now() - before).toBe(5000);
  });

  test('a cancelled timer stays cancelled through a change', () => {
    const { real, gpu } = shared();
    gpu.run();
    const cancel = gpu.after(10, () => expect.unreachable());
    cancel();
    gpu.run();
    real.advance(1000);
  });

  test('a repeated timer keeps the pace', () => {
    const { real, gpu } = shared();
    const at: number[] = [];
    const cancel = gpu.every(100, () => at.push(real.now()));
    gpu.run();
    real.advance(200);
    gpu.run();
    real.advance(400);
    cancel();
    real.advance(1000);
    expect(at).toEqual([100, 200, 400, 600]);
  });

  test('speed counts with and without sharing', () => {
    const together = shared(4);
    const apart = steppedClock();
    const gpu = new GpuClock(apart, { shared: false, speed: 4 });
    for (const clock of [together.gpu, gpu]) {
      clock.run();
      clock.run();
    }
    together.real.advance(100);
    apart.advance(100);
    expect(together.gpu.now()).toBe(200);
    expect(gpu.now()).toBe(400);
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('speed %d is refused', async (speed) => {
    await expect(startSimulatedOllama({ speed })).rejects.toThrow(RangeError);
  });
});

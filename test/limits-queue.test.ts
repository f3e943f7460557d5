import { expect, it } from 'vitest';
import { Queues, type Waiting } from '../src/server/queues.ts';

it('an address has as many places as four devices, whatever it calls itself; this machine is not bound by that', () => {
  const queues = new Queues();
  const wait = (device: string) => {
    if (queues.full(device) !== undefined) return undefined;
    const job = { model: 'm', device, promptTokens: 0 } as Waiting['job'];
    const waiting = { device, job, since: 0, workMs: 0, events: {} as Waiting['events'] };
    queues.add(waiting);
    return waiting;
  };
  const taken = Array.from({ length: 1100 }, (_, i) => wait(`10.0.0.1 ${i}`));
  expect(taken.filter((one) => one !== undefined)).toHaveLength(1024);
  expect(queues.full('10.0.0.1 another')).toContain('its queue is full');
  for (const device of ['10.0.0.2 ', 'own-id']) expect(wait(device)).toBeDefined();
  for (let i = 0; i < 1100; i += 1) expect(wait(`127.0.0.1 ${i}`)).toBeDefined();
  if (taken[0]) queues.take(taken[0], false);
  expect(queues.full('10.0.0.1 another')).toBeUndefined();
});

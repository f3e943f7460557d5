import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { OwnAddresses } from '../src/daemon/own-addresses.ts';
import type { Interfaces } from '../src/discovery/interfaces.ts';
import { ManualClock } from './_beacon.ts';

const at = (...addresses: readonly string[]): Interfaces => ({
  eth0: addresses.map((address) => ({ address }) as NetworkInterfaceInfo),
});

/** What is told, with what is ours then of these addresses. */
function watched(first: Interfaces) {
  const clock = new ManualClock();
  const told: string[] = [];
  let current: Interfaces | undefined = first;
  const note = (what: string) => (isOurs: (address: string) => boolean) =>
    told.push([what, ...['10.0.0.1', '10.0.0.2', 'fe80::1%eth0'].filter(isOurs)].join(' '));
  const watch = new OwnAddresses({
    clock,
    onChange: note('change'),
    onGone: note('gone'),
    read: () => {
      if (!current) throw new Error('refused');
      return current;
    },
  });
  const become = (interfaces: Interfaces | undefined) => {
    current = interfaces;
    clock.advance(1000);
  };
  return { clock, told, watch, become };
}

test('an address that is replaced is told of at once, and is gone two seconds later', () => {
  const { told, become, watch, clock } = watched(at('10.0.0.1', 'fe80::1'));
  become(at('10.0.0.1', 'fe80::1'));
  expect(told).toEqual([]);
  become(at('10.0.0.2', 'fe80::1'));
  expect(told).toEqual(['change 10.0.0.2 fe80::1%eth0']);
  become(at('10.0.0.2', 'fe80::1'));
  expect(told).toHaveLength(1);
  become(at('10.0.0.2', 'fe80::1'));
  become(at('10.0.0.2', 'fe80::1'));
  expect(told.slice(1)).toEqual(['gone 10.0.0.2 fe80::1%eth0']);
  watch[Symbol.dispose]();
  expect(clock.pending).toBe(0);
});

test('an address whose cable is out for a second is not gone, and one that comes is told of', () => {
  const { told, become } = watched(at('10.0.0.1'));
  become({});
  become(at('10.0.0.1'));
  for (let i = 0; i < 5; i += 1) become(at('10.0.0.1'));
  expect(told).toEqual(['change', 'change 10.0.0.1']);
});

test('what went a moment later than another is not gone with it', () => {
  const { told, become } = watched(at('10.0.0.1', '10.0.0.2'));
  become(at('10.0.0.2'));
  become({});
  become({});
  become({});
  expect(told).toEqual(['change 10.0.0.2', 'change', 'gone 10.0.0.2', 'gone']);
});

test('a system that refuses the list has lost no address', () => {
  const { told, become } = watched(at('10.0.0.1'));
  for (let i = 0; i < 5; i += 1) become(undefined);
  expect(told).toEqual([]);
});

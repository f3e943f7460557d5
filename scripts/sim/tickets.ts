import type { ServerLoad } from '../../src/fleet/load.ts';
import { Balance } from '../../src/routing/balance.ts';
import { bind } from '../../src/routing/binding.ts';
import { Demand } from '../../src/routing/demand.ts';
import type { Job } from '../../src/routing/desk.ts';
import { FleetSpeeds } from '../../src/routing/fleet-speeds.ts';
import { diceOf } from '../fleet/dice.ts';
import type { SimConfig } from './config.ts';
import { type Fleet, Laptop } from './laptop.ts';
import type { Effort, Outcome } from './outcome.ts';
import type { Asked, Scene } from './scene.ts';
import { SimServer } from './server.ts';
import type { Journey, SimSeat } from './ticket.ts';
import { VirtualClock } from './virtual-clock.ts';
import { HOP_MS, Wire } from './wire.ts';

/** As in `Router`: a request that waits looks at changes this often, ms. */
const LOOK_EVERY_MS = 10;
/** A request that no server is left for asks them all again after this, ms: it is held. */
const HELD_MS = 100;

/** Laptops and servers as they are, on a virtual clock and a simulated network. */
export function runTickets(scene: Scene, { seed, lost, staleMs, cards }: SimConfig): Outcome {
  const clock = new VirtualClock();
  // Other dice than those of the scene: what is asked does not depend on what gets lost.
  const dice = diceOf(seed + 1);
  const wire = new Wire({ clock, dice, lost, staleMs });
  const waiting = new Set<() => void>();
  const told: ServerLoad[] = [];
  const { models, preloaded, asked } = scene;
  const servers = scene.gpus.map(
    (gpu, index) =>
      new SimServer({
        clock,
        gpu,
        models,
        preloaded,
        cards,
        tell: (load) =>
          wire.tell(() => {
            told[index] = load;
            for (const look of waiting) look();
          }),
      }),
  );
  for (const [index, server] of servers.entries()) told[index] = server.load();
  const speeds = new FleetSpeeds();
  const balance = new Balance(speeds);
  const fleet: Fleet = { clock, wire, servers, told, speeds, demand: new Demand(), balance };
  const laptops = Array.from({ length: scene.laptops }, (_, i) => new Laptop(fleet, `laptop-${i}`));
  const waits: number[] = [];
  const totals: number[] = [];
  const journeys = asked.map((): Journey => ({ messages: 0, tickets: 0, decisions: 0, busy: 0 }));
  let done = 0;

  const onChange = (listener: () => void) => {
    let stopTimer: (() => void) | undefined;
    const look = () => {
      stopTimer ??= clock.after(LOOK_EVERY_MS, () => {
        stopTimer = undefined;
        listener();
      });
    };
    waiting.add(look);
    return () => {
      waiting.delete(look);
      stopTimer?.();
    };
  };
  const ask = ({ at, laptop, job }: Asked, index: number) => {
    const own = laptops[laptop] as Laptop;
    const journey = journeys[index] as Journey;
    const tried = new Set<number>();
    const run = (server: number, { real }: SimSeat, jobAsked: Job) => {
      const { gpu, desk } = servers[server] as SimServer;
      const seat = real ?? desk.take(jobAsked);
      if (!seat) {
        journey.busy += 1;
        return wire.send(journey, choose);
      }
      const alone = gpu.workMs(job);
      servers[server]?.run(job, seat, () => {
        journey.messages += 1;
        waits[index] = clock.now() - at - alone;
        totals[index] = clock.now() + HOP_MS - at;
        own.ran(job, server);
        done += 1;
      });
    };
    function choose(): void {
      bind({
        clock,
        dice,
        mayTake: journey.busy === 0,
        options: own.optionsFor(job, tried, journey),
        onChange,
        onSeat: (seat, option) => {
          const server = Number(option.deviceId);
          const { real } = seat as SimSeat;
          wire.send(
            journey,
            () => run(server, seat as SimSeat, option.job),
            () => {
              real?.release();
              tried.add(server);
              choose();
            },
          );
        },
        onNone: () => {
          tried.clear();
          clock.after(HELD_MS, choose);
        },
      });
    }
    choose();
  };
  // One timer at a time: the next arrival is due when this one has come.
  const arrive = (index: number) => {
    const one = asked[index];
    if (!one) return;
    clock.after(one.at - clock.now(), () => {
      arrive(index + 1);
      ask(one, index);
    });
  };
  arrive(0);
  clock.run(() => done === asked.length);
  return {
    name: 'tickets',
    waits,
    totals,
    loads: servers.reduce((sum, { gpu }) => sum + gpu.loads, 0),
    effort: effortOf(journeys, wire.told),
  };
}

function effortOf(journeys: readonly Journey[], told: number): Effort {
  const mean = (pick: (one: Journey) => number) =>
    journeys.reduce((sum, one) => sum + pick(one), 0) / journeys.length;
  return {
    messages: mean(({ messages }) => messages),
    mostMessages: journeys.reduce((most, { messages }) => Math.max(most, messages), 0),
    told: told / journeys.length,
    decisions: mean(({ decisions }) => decisions),
    tickets: mean(({ tickets }) => tickets),
    busy: mean(({ busy }) => busy),
  };
}

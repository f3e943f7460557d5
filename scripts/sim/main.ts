import { readSimConfig } from './config.ts';
import { runFleetReferences } from './fleet-references.ts';
import { runReferences } from './references.ts';
import { simReport } from './report.ts';
import { fleetScene, scaleScene } from './scene.ts';
import { runTickets } from './tickets.ts';

const USAGE = `npm run simulate -- [options]: laptops and servers on a virtual clock, beside what a centre would do

  --world NAME         scale: many GPUs with one model (default); main: three that share three; equal: two
                       equal ones that share three; six: six that share eight
  --no-cards           no GPU machine tells how much memory its card has: it is learned by loading
  --drift              half-way other models become the popular ones; figures of the last third
  --servers N          GPUs of the world scale, default 10; a third each of speed 4, 2 and 1
  --laptops N          default ten for each server, 3 in the other worlds
  --load X             share of what all GPUs could do together, default 0.8
  --requests N         default 20000; in the other worlds 48 for each model that fits (main: 240)
  --seed N             default 1: the same requests for the same seed
  --stale MS           how long what a server tells is under way, default 2; it tells every 20 ms at most
  --lost PERCENT       messages that get lost, default 0

examples: npm run simulate -- --servers 100        (some seconds)
          npm run simulate -- --world main --laptops 6 --load 0.6`;

const argv = process.argv.slice(2);
try {
  console.log(argv.includes('--help') ? USAGE : simulate(argv));
} catch (error) {
  console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

function simulate(options: readonly string[]): string {
  const config = readSimConfig(options);
  const scene = config.world === 'scale' ? scaleScene(config) : fleetScene(config, config.world);
  const references =
    config.world === 'scale' ? runReferences(scene, config) : runFleetReferences(config, config.world);
  return simReport(config, [runTickets(scene, config), ...references]);
}

import { readSimConfig } from './config.ts';
import { runFleetReferences } from './fleet-references.ts';
import { runReferences } from './references.ts';
import { simReport } from './report.ts';
import { fleetScene, scaleScene } from './scene.ts';
import { runTickets } from './tickets.ts';

try {
  const config = readSimConfig(process.argv.slice(2));
  const scene = config.world === 'fleet' ? fleetScene(config) : scaleScene(config);
  const references = config.world === 'fleet' ? runFleetReferences(config) : runReferences(scene, config);
  console.log(simReport(config, [runTickets(scene, config), ...references]));
} catch (error) {
  console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

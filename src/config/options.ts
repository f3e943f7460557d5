import type { Command, Option } from './option.ts';
import { ASKING_OPTIONS } from './options/asking.ts';
import { CHOOSING_OPTIONS } from './options/choosing.ts';
import { DISCOVERY_OPTIONS } from './options/discovery.ts';
import { FACE_OPTIONS } from './options/faces.ts';
import { LOOKING_BACK_OPTIONS } from './options/looking-back.ts';
import { MEASURING_OPTIONS } from './options/measuring.ts';
import { PROCESS_OPTIONS } from './options/process.ts';
import { REGISTERING_OPTIONS } from './options/registering.ts';
import { SERVER_OPTIONS } from './options/servers.ts';
import { SERVICE_OPTIONS } from './options/service.ts';
import { SLEEP_OPTIONS } from './options/sleep.ts';

/** Every option there is, in the order in which `--help` lists them. */
export const OPTIONS = Object.freeze({
  ...FACE_OPTIONS,
  ...SERVER_OPTIONS,
  ...CHOOSING_OPTIONS,
  ...SLEEP_OPTIONS,
  ...DISCOVERY_OPTIONS,
  ...REGISTERING_OPTIONS,
  ...PROCESS_OPTIONS,
  ...ASKING_OPTIONS,
  ...LOOKING_BACK_OPTIONS,
  ...MEASURING_OPTIONS,
  ...SERVICE_OPTIONS,
});

/** The options of one command, in help order. */
export function optionsOf(command: Command): readonly Option[] {
  return Object.values<Option>(OPTIONS).filter(({ commands }) => commands.includes(command));
}

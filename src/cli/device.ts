import { systemClock } from '../clock.ts';
import { quote } from '../config/pick.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import {
  changeDevices,
  type Device,
  deviceName,
  loadDevices,
  rightsFor,
  withDevice,
} from '../security/allow-list.ts';
import { DEVICE_ID, loadIdentity } from '../security/identity.ts';
import { wordsOf } from '../security/words.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson } from './safe-json.ts';
import { type Column, rowLine, titleLine } from './table.ts';
import { plainText } from './text.ts';

/** What `ollana device ACTION` was told. */
export interface DeviceOrder {
  readonly dataDir: string;
  /** What this machine is called. */
  readonly name: string;
  readonly json: boolean;
  readonly manage: boolean;
  readonly readOnly: boolean;
}

/** Of an id that is typed by hand so many digits are enough, if only one device has them. */
const SHORTEST_ID = 8;

const TABLE: readonly Column<Device>[] = [
  { title: 'NAME', width: 24, align: 'left', cell: ({ name }) => name || '-' },
  { title: 'ID', width: 16, align: 'left', cell: ({ id }) => id.slice(0, 16) },
  { title: 'SINCE', width: 10, align: 'left', cell: ({ since }) => since.slice(0, 10) },
  { title: 'MAY', width: 26, align: 'left', cell: ({ rights }) => rights.join(', ') },
];

/** Prints who this device is: its name, its id, and the id in words. Makes it if need be. Returns the exit code. */
export function showDevice({ dataDir, name, json }: DeviceOrder): number {
  const { deviceId: id, rustId } = loadIdentity(dataDir);
  const words = wordsOf(id);
  if (json) return print(safeJson({ name, id, words, ...(rustId !== undefined && { rustId }) }));
  // An id that opens one of its servers is for that one alone: whoever else is shown it could use that server, too.
  const clients =
    rustId === undefined ? 'its clients allow this ID' : `its clients know this device by ${rustId}`;
  const rust = `${clients}; its servers allow the id that \`ollana status\` tells for each`;
  const lines = [`Name:    ${name}`, `ID:      ${id}`, `Aloud:   ${words}`, `In Rust: ${rust}`];
  return print(lines.map(plainText).join('\n'));
}

/** Prints the devices that are paired. Returns the exit code. Throws OLLANA_UNREADABLE_FILE. */
export async function listDevices({ dataDir, json }: DeviceOrder): Promise<number> {
  const devices = await known(dataDir);
  if (json) return print(safeJson(devices.map((device) => ({ ...device, words: wordsOf(device.id) }))));
  if (devices.length === 0) return print('No device is paired: type `ollana device pair`.');
  return print([titleLine(TABLE), ...devices.map((device) => rowLine(TABLE, device))].join('\n'));
}

/** Lets a device in, and uses it, from now on. Returns the exit code. Throws OLLANA_BAD_OPTION, OLLANA_UNREADABLE_FILE. */
export async function allowDevice(
  { dataDir, manage, readOnly }: DeviceOrder,
  typed: string,
): Promise<number> {
  const [id = '', name = ''] = typed.split(/=(.*)/s);
  if (!DEVICE_ID.test(id))
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      `${quote(id)} is no device id: \`ollana device show\` on that machine shows its 64 hex digits`,
    );
  if (id === loadIdentity(dataDir).deviceId)
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      'that is the id of this device itself: give the one of the other',
    );
  const since = new Date(systemClock.wall()).toISOString();
  const device = { id, name: deviceName(name), since, rights: rightsFor(manage, readOnly) };
  const before = await known(dataDir);
  const devices = await changeDevices(dataDir, (all) => withDevice(all, device));
  const entry = devices.find((one) => one.id === id) ?? device;
  const what = before.some((one) => one.id === id) ? 'is allowed already, now with' : 'is allowed:';
  print(plainText(`${nameOf(entry)} ${what} ${entry.rights.join(', ')}`));
  print(`Aloud: ${wordsOf(id)}`);
  if (before.length === 0) print('From now on this device lets in, and uses, paired devices only.');
  return EXIT.ok;
}

/** Shuts a device out at once. Returns the exit code. Throws OLLANA_BAD_OPTION and OLLANA_UNREADABLE_FILE. */
export async function disableDevice({ dataDir }: DeviceOrder, typed: string): Promise<number> {
  const device = chosen(await known(dataDir), typed);
  const left = await changeDevices(dataDir, (all) => all.filter(({ id }) => id !== device.id));
  print(plainText(`${nameOf(device)} is shut out; its connections are closed within a second`));
  if (left.length === 0)
    print(
      'No device is paired any more, and nobody else is let in: --no-require-pairing would open it to all.',
    );
  return EXIT.ok;
}

/** The one device that is meant by an id, the beginning of one, or a name. Throws OLLANA_BAD_OPTION. Pure. */
function chosen(devices: readonly Device[], typed: string): Device {
  const word = typed.trim().toLowerCase();
  const exact = devices.filter(({ id, name }) => id === word || name.toLowerCase() === word);
  const found =
    exact.length > 0 ? exact : devices.filter(({ id }) => word.length >= SHORTEST_ID && id.startsWith(word));
  const [device] = found;
  if (device && found.length === 1) return device;
  const why = device
    ? `${found.length} devices are called ${quote(typed)}: give the id`
    : `no device is called ${quote(typed)}`;
  throw new OllanaError('OLLANA_BAD_OPTION', `${why}; \`ollana device list\` shows them`);
}

/** A device for people. Pure. */
export function nameOf({ name, id }: Pick<Device, 'id' | 'name'>): string {
  return name === '' ? id : `${name} (${id.slice(0, 16)})`;
}

async function known(dataDir: string): Promise<readonly Device[]> {
  try {
    return await loadDevices(dataDir);
  } catch (cause) {
    throw new OllanaError(
      'OLLANA_UNREADABLE_FILE',
      `cannot read the list of paired devices in ${dataDir} (${reasonOf(cause)}): mend or remove it`,
      { cause },
    );
  }
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return EXIT.ok;
}

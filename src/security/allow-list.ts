import { join } from 'node:path';
import { withFileLock } from '../config/file-lock.ts';
import { ensurePrivateDir } from '../config/private-dir.ts';
import { giveToDirOwner, readSmallFile, replaceFile } from '../config/private-file.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { DEVICE_ID } from './identity.ts';

/** What other machines may do: run models, read lists, change what is stored. */
export type Right = 'inference' | 'read' | 'manage';

/** A device that the user has allowed. */
export interface Device {
  /** SHA-256 of its certificate. */
  readonly id: string;
  /** What it called itself, or the user calls it; empty where nobody said. */
  readonly name: string;
  /** ISO 8601. */
  readonly since: string;
  readonly rights: readonly Right[];
}

/** The file in the data directory that holds the list. */
export const LIST_FILE = 'devices.json';
/** Some 200 bytes each. */
const MAX_DEVICES = 1000;
/** Longer than the list can be. */
export const MAX_LIST_BYTES = 1024 * 1024;
const RIGHTS: readonly Right[] = ['inference', 'read', 'manage'];
const MAX_NAME = 64;

/** What whoever is let in has, unless the owner says otherwise. */
export const USUAL_RIGHTS: readonly Right[] = ['inference', 'read'];

/**
 * What a device gets that is paired or allowed; `manage` adds the right to change what is stored, `readOnly` leaves
 * nothing but lists. Pure.
 */
export function rightsFor(manage: boolean, readOnly = false): readonly Right[] {
  if (readOnly) return ['read'];
  return manage ? RIGHTS : USUAL_RIGHTS;
}

/** The devices in the text of the file. Throws an Error saying what is wrong: half a list would let nobody in. Pure. */
export function readDevices(text: string): readonly Device[] {
  const { devices } = (JSON.parse(text) ?? {}) as { devices?: unknown };
  if (!Array.isArray(devices)) throw new Error('it has no list "devices"');
  if (devices.length > MAX_DEVICES) throw new Error(`it has more than ${MAX_DEVICES} devices`);
  return devices.map(readDevice);
}

function readDevice(value: unknown): Device {
  const { id, name, since, rights } = (value ?? {}) as Partial<Record<keyof Device, unknown>>;
  if (typeof id !== 'string' || !DEVICE_ID.test(id)) throw new Error('a device has no id of 64 hex digits');
  if (!Array.isArray(rights)) throw new Error(`device ${id} has no rights`);
  return {
    id,
    name: typeof name === 'string' ? deviceName(name) : '',
    since: typeof since === 'string' ? since.slice(0, MAX_NAME) : '',
    rights: RIGHTS.filter((right) => rights.includes(right)),
  };
}

/** A name as it may be kept: other machines choose it. Pure. */
export function deviceName(name: string): string {
  return [...name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '')].slice(0, MAX_NAME).join('').trim();
}

/** The text of the file. Pure. */
export function writeDevices(devices: readonly Device[]): string {
  return `${JSON.stringify({ devices }, undefined, 2)}\n`;
}

/** The list with a device added, or its name and rights changed. Pure. */
export function withDevice(devices: readonly Device[], device: Device): readonly Device[] {
  const known = devices.find(({ id }) => id === device.id);
  const entry = { ...device, name: device.name || (known?.name ?? ''), since: known?.since ?? device.since };
  return [...devices.filter(({ id }) => id !== device.id), entry];
}

/**
 * Changes the list in a data directory, whole or not at all, for this user only; resolves with the devices then. The
 * file is there from the first change on, and stays when the last device is gone: whoever has closed the door once
 * does not find it open. Rejects with `OLLANA_UNREADABLE_FILE`.
 */
export async function changeDevices(
  dataDir: string,
  change: (devices: readonly Device[]) => readonly Device[],
): Promise<readonly Device[]> {
  const path = join(dataDir, LIST_FILE);
  try {
    ensurePrivateDir(dataDir, 'name another with --data-dir DIR');
    return await withFileLock(path, async (isHeld) => {
      const devices = change(await loadDevices(dataDir));
      if (devices.length > MAX_DEVICES) throw new Error(`there are ${MAX_DEVICES} devices already`);
      if (!(await isHeld()))
        throw new Error('it took too long, and another command has changed it: try again');
      await replaceFile(path, writeDevices(devices));
      giveToDirOwner(path);
      return devices;
    });
  } catch (cause) {
    throw new OllanaError(
      'OLLANA_UNREADABLE_FILE',
      `cannot change the list of paired devices ${path} (${reasonOf(cause)}); nothing was changed`,
      { cause },
    );
  }
}

/** The devices in the list of a data directory; none where there is no list. Rejects with what is wrong. */
export async function loadDevices(dataDir: string): Promise<readonly Device[]> {
  try {
    return readDevices(await readSmallFile(join(dataDir, LIST_FILE), MAX_LIST_BYTES));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

import { judging, type Verdict } from './verdict.ts';

/** The oldest Node that ollana runs on: `engines` of its package. */
const OLDEST_NODE = [20, 18] as const;

/** Whether this Node is new enough. Pure. */
export function judgeNode(version: string): Verdict {
  const { ok, problem } = judging('node', 'Node');
  const [, major = '0', minor = '0'] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  const isOld =
    Number(major) < OLDEST_NODE[0] || (Number(major) === OLDEST_NODE[0] && Number(minor) < OLDEST_NODE[1]);
  if (!isOld) return ok(version);
  return problem(`${version} is older than ${OLDEST_NODE.join('.')}, which ollana needs`, [
    '# install a newer one: https://nodejs.org/en/download',
  ]);
}

/** Room of one file system; `path` is what is kept there. */
export interface DiskFacts {
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Traces and logs of a month take tens of megabytes. */
const LEAST_FREE = 256 * 1024 ** 2;
/** A model of 7 billion parameters, quantised to 4 bits, is 4 to 5 GB. */
const LEAST_FOR_MODELS = 5 * 1024 ** 3;

/** Whether what ollana keeps has room. Pure. */
export function judgeDataDisk(disk: DiskFacts | undefined): Verdict {
  const { ok, problem, unknown } = judging('disk-data', 'Disk of the data directory');
  if (!disk) return unknown('the system does not tell');
  const seen = `${sizeText(disk.freeBytes)} free at ${disk.path}`;
  if (disk.freeBytes >= LEAST_FREE) return ok(seen);
  return problem(`${seen}: traces, logs and learned speeds may be lost`, [
    '# make room there, or give another --data-dir DIR',
  ]);
}

/** Whether another model has room; undefined: no directory of models is known here. Pure. */
export function judgeModelDisk(disk: DiskFacts | undefined): Verdict {
  const { ok, problem } = judging('disk-models', "Disk of Ollama's models");
  if (!disk) return ok('no models are kept here, as far as this user can see');
  const seen = `${sizeText(disk.freeBytes)} free at ${disk.path}`;
  if (disk.freeBytes >= LEAST_FOR_MODELS) return ok(seen);
  return problem(`${seen}: a model of 7 billion parameters takes 5 GB`, [
    'ollama list',
    '# then for one that is not needed: ollama rm MODEL',
  ]);
}

function sizeText(bytes: number): string {
  return bytes >= 1e10 ? `${Math.round(bytes / 1e9)} GB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Who owns the data directory and who may read it. */
export interface DirectoryFacts {
  readonly path: string;
  /** Absent: it is not there yet. */
  readonly found?: {
    readonly isDirectory: boolean;
    readonly uid: number;
    readonly mode: number;
    readonly canWrite: boolean;
    /** Keys and lists of devices in it that others may read. */
    readonly open: readonly string[];
  };
  /** Absent on Windows, where rights are others. */
  readonly ownUid: number | undefined;
}

/** Whether the data directory is this user's and nobody else's. Pure. */
export function judgeDirectory({ path, found, ownUid }: DirectoryFacts): Verdict {
  const { ok, problem } = judging('data-dir', 'Data directory');
  if (!found) return ok(`${path} will be made at the first start`);
  if (!found.isDirectory)
    return problem(`${path} is no directory`, ['# give another --data-dir DIR, or move that file away']);
  if (ownUid === undefined) return ok(path);
  if (found.uid !== ownUid && ownUid !== 0)
    return problem(`${path} belongs to the user with id ${found.uid}, not to you (${ownUid})`, [
      `sudo chown -R "$(id -u):$(id -g)" ${word(path)}`,
    ]);
  if (!found.canWrite) return problem(`${path} cannot be written`, [`chmod u+rwx ${word(path)}`]);
  if ((found.mode & 0o022) !== 0)
    return problem(`${path} can be changed by others (mode ${(found.mode & 0o777).toString(8)})`, [
      `chmod 700 ${word(path)}`,
    ]);
  if (found.open.length > 0)
    return problem(`others can read ${found.open.join(', ')} in ${path}`, [
      `chmod 600 ${found.open.map((name) => word(`${path}/${name}`)).join(' ')}`,
    ]);
  return ok(`${path}, mode ${(found.mode & 0o777).toString(8)}`);
}

/** One word of a shell. Pure. */
function word(text: string): string {
  return /^[\w.:@/+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

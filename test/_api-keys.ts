import { afterEach, beforeEach } from 'vitest';
import { type ApiKey, hashOf, newKey } from '../src/security/api-key.ts';
import { changeKeys } from '../src/security/key-file.ts';
import { type Cluster, type ClusterOptions, startCluster } from './_cluster.ts';
import { temporaryDirectory } from './_daemon.ts';

/** A data directory for each test of the calling file, and clusters whose client has its keys in there. */
export function keyFolder() {
  let folder: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    folder = temporaryDirectory('keys');
  });
  afterEach(() => folder[Symbol.dispose]());

  /** Adds a key to the client's data directory, as `ollana key add` does; gives the key. */
  async function add(name: string, limits: Partial<ApiKey> = {}): Promise<string> {
    const key = newKey();
    await changeKeys(folder.path, (keys) => [...keys, { name, hash: hashOf(key), since: '', ...limits }]);
    return key;
  }

  const start = (options: ClusterOptions = {}) =>
    startCluster({ ...options, client: { dataDir: folder.path, ...options.client } });
  const required = () => start({ client: { requireKey: true } });

  return {
    /** The directory of the test that runs. */
    folder: {
      get path(): string {
        return folder.path;
      },
    },
    add,
    start,
    /** As `start`, with a client that wants a key. */
    required,
  };
}

/** What a request has besides to show a key. */
export const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

/** What has reached the Ollamas. */
export const asked = (cluster: Cluster) => cluster.ollamas.flatMap(({ seen }) => seen);

/** The headers of all that has reached them. */
export const everything = (cluster: Cluster) =>
  JSON.stringify(asked(cluster).map(({ rawHeaders }) => rawHeaders));

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { LIST_FILE } from '../security/allow-list.ts';
import { Dialer } from '../security/dialer.ts';
import { loadIdentity } from '../security/identity.ts';
import { Trust } from '../security/trust.ts';

/** How others are dialled by a command that is no daemon. */
export interface OwnDialer extends Disposable {
  readonly dialer: Dialer;
}

/**
 * Dials as a daemon of this data directory would; where it has no list of paired devices, or is undefined, as one that
 * trusts everybody. Makes no file. `exempt` is the URL of this machine's own Ollama. Throws OLLANA_UNREADABLE_FILE.
 */
export function ownDialer(dataDir: string | undefined, exempt: string, clock: Clock): OwnDialer {
  if (dataDir === undefined || !existsSync(join(dataDir, LIST_FILE)))
    return { dialer: new Dialer(), [Symbol.dispose]() {} };
  const own = loadIdentity(dataDir);
  const options = { dataDir, ownId: own.deviceId, requirePairing: undefined, clock, onTrouble: () => {} };
  const trust = new Trust(options);
  return {
    dialer: new Dialer({ own, trust, exempt: [exempt] }),
    [Symbol.dispose]: () => trust[Symbol.dispose](),
  };
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { LIST_FILE } from '../security/allow-list.ts';
import { Dialer } from '../security/dialer.ts';
import { loadIdentity, passingIdentity } from '../security/identity.ts';
import { IDENTITY_FILE } from '../security/own-certificate.ts';
import { Trust } from '../security/trust.ts';

/** How others are dialled by a command that is no daemon. */
export interface OwnDialer extends Disposable {
  readonly dialer: Dialer;
}

export interface OwnDialerOptions {
  readonly dataDir: string | undefined;
  /** As a daemon is told; absent: as the list says. */
  readonly requirePairing: boolean | undefined;
  readonly exempt: string;
  readonly clock: Clock;
}

/**
 * Dials as a daemon of this data directory would that is told the same of pairing; where it has no list of paired
 * devices, or is undefined, as one that trusts everybody unless pairing is required. Makes no file: who has no identity
 * shows one that ends with the command, and is paired with nobody. `exempt` is the URL of this machine's own Ollama.
 * Throws OLLANA_UNREADABLE_FILE.
 */
export function ownDialer({ dataDir, requirePairing, exempt, clock }: OwnDialerOptions): OwnDialer {
  const has = (file: string) => dataDir !== undefined && existsSync(join(dataDir, file));
  const isOpen = requirePairing === undefined ? !has(LIST_FILE) : !requirePairing;
  if (isOpen) return { dialer: new Dialer(), [Symbol.dispose]() {} };
  if (dataDir === undefined || !has(LIST_FILE)) {
    const nobody = { closed: true, isPaired: () => false };
    const own = dataDir !== undefined && has(IDENTITY_FILE) ? loadIdentity(dataDir) : passingIdentity();
    return { dialer: new Dialer({ own, trust: nobody, exempt: [exempt] }), [Symbol.dispose]() {} };
  }
  const own = loadIdentity(dataDir);
  const trust = new Trust({ dataDir, ownId: own.deviceId, requirePairing, clock, onTrouble: () => {} });
  return {
    dialer: new Dialer({ own, trust, exempt: [exempt] }),
    [Symbol.dispose]: () => trust[Symbol.dispose](),
  };
}

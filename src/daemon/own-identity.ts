import { reasonOf } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { loadIdentity, type OwnIdentity, passingIdentity } from '../security/identity.ts';

/**
 * Who this installation is. Where its data directory cannot be used that is said in one line, and it is somebody new
 * until the next start: it serves all the same, and nobody is paired with whom it is now. Never throws.
 */
export function ownIdentity(dataDir: string, log: Log): OwnIdentity {
  try {
    return loadIdentity(dataDir);
  } catch (error) {
    log.error(
      'the data directory cannot be used: this run is somebody whom nobody is paired with, and other commands do not find it',
      {
        reason: reasonOf(error),
      },
    );
    return passingIdentity();
  }
}

import type { Clock } from '../clock.ts';
import type { CommonConfig } from '../config.ts';
import { reasonOf } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { KeyGate } from '../proxy/key-gate.ts';
import { isCommandKey, makeCommandKeyOnce } from '../security/command-key.ts';
import { KeyRing } from '../security/key-ring.ts';
import type { Reloader } from './reload.ts';

export interface KeyGateParts {
  readonly config: Pick<CommonConfig, 'dataDir' | 'requireKey'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Says when `config` has changed; absent: never. */
  readonly reloader?: Pick<Reloader, 'onChange'> | undefined;
}

/** The keys of a data directory before the requests of a daemon. Never throws: what cannot be read or kept is told. */
export function keyGate({ config, clock, log, reloader }: KeyGateParts): KeyGate {
  const { dataDir } = config;
  const ring = new KeyRing({
    dataDir,
    onTrouble: (file, reason) =>
      log.error('the API keys cannot be read, those read last count: correct the file', { file, reason }),
  });
  const prepare = () => {
    if (!config.requireKey) return;
    if (ring.keys.length === 0)
      log.warn('an API key is required and none exists: `ollana key add NAME` makes one, without a restart');
    makeCommandKey(dataDir, log);
  };
  prepare();
  reloader?.onChange((now, before) => {
    if (now.requireKey !== before.requireKey) prepare();
  });
  return new KeyGate({
    clock,
    required: () => config.requireKey === true,
    find: (shown) => ring.find(shown),
    isCommandKey: (shown) => isCommandKey(dataDir, shown),
  });
}

function makeCommandKey(dataDir: string, log: Log): void {
  try {
    makeCommandKeyOnce(dataDir);
  } catch (error) {
    log.warn('the commands pull, rm and unload are refused, as any app without an API key', {
      reason: reasonOf(error),
    });
  }
}

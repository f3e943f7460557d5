import { contextProtection, contextWaste } from './checks/context.ts';
import { favouriteCold, favouriteMissing, loadTimeouts, thrashing } from './checks/loading.ts';
import { diskFull, memoryPressure } from './checks/memory.ts';
import { broadcastBlocked, clockWrong, unpaired } from './checks/network.ts';
import { queueSaturation, underused } from './checks/queues.ts';
import { loopbackOnly, noServer, portClash, serverDegraded, serverOffline } from './checks/reach.ts';
import { disconnects, errorRate, incompleteStreams, retryRate } from './checks/requests.ts';
import { keepAliveSeconds, parallelLost } from './checks/settings.ts';
import { slowerThanPast } from './checks/speed.ts';
import { digestConflict, versionMismatch } from './checks/versions.ts';
import type { Check } from './snapshot.ts';

/** Every check there is. None asks a server for anything: they see what is known anyway. */
export const CHECKS: readonly Check[] = Object.freeze([
  noServer,
  serverOffline,
  serverDegraded,
  loopbackOnly,
  portClash,
  memoryPressure,
  diskFull,
  underused,
  thrashing,
  loadTimeouts,
  errorRate,
  retryRate,
  disconnects,
  incompleteStreams,
  versionMismatch,
  digestConflict,
  contextWaste,
  contextProtection,
  favouriteMissing,
  favouriteCold,
  queueSaturation,
  clockWrong,
  broadcastBlocked,
  unpaired,
  parallelLost,
  keepAliveSeconds,
  slowerThanPast,
]);

import type { StartContender } from './contender.ts';

/** Nothing in between: what all others are compared with. */
export const startDirect: StartContender = async (ollamaUrl) => ({
  name: 'direct',
  url: ollamaUrl,
  pids: [],
  [Symbol.asyncDispose]: async () => {},
});

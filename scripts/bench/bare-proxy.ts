import { join } from 'node:path';
import { Child } from './child.ts';
import { profileArgs, type StartContender } from './contender.ts';

/** http-proxy alone, with kept connections: what its users have without ollana. */
export const startBareProxy: StartContender = async (ollamaUrl, config) => {
  const script = join(import.meta.dirname, 'bare-proxy.child.mjs');
  const child = new Child([...profileArgs(config, 'http-proxy'), script, ollamaUrl]);
  return {
    name: 'http-proxy',
    url: await child.url(),
    pids: [child.pid],
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
};

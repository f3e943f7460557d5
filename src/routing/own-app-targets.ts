import type { Pool } from '../fleet/pool.ts';
import { modelKey } from '../ollama/names.ts';
import { type TargetFacts, type Targets, targetsFor } from './targets.ts';

export interface OwnAppFacts extends TargetFacts {
  /** Not all of it could be looked through. */
  readonly unread: boolean;
}

/**
 * Decides where a request of this machine's own apps may go in server mode, where `homeUrl` is this machine's
 * Ollama. Models run anywhere, as in client mode; what is stored here is changed and asked for here, unless
 * another server is named. With no other server there is nothing to decide. Pure.
 */
export function ownAppTargets(facts: OwnAppFacts, pool: Pool, homeUrl: string): Targets {
  const home = pool.filter(({ url }) => url === homeUrl);
  if (home.length === pool.length) return { type: 'any' };
  const { routeClass, named, path, model, unread } = facts;
  const here = home.filter(({ verdict }) => verdict.state === 'reliable');
  if (named === undefined && routeClass === 'holder') {
    const holders = here.filter(({ modelKeys }) => model !== undefined && modelKeys.has(modelKey(model)));
    return holders.length > 0
      ? { type: 'one-of', servers: holders, why: 'this machine holds it' }
      : { type: 'any' };
  }
  // The others refuse what nobody can see the model of.
  if (named === undefined && routeClass === 'inference' && unread && here.length > 0)
    return { type: 'one-of', servers: here, why: "this machine's own" };
  if (named !== undefined || routeClass === 'inference') {
    // Here too, the account of ollama.com is that of this machine's own Ollama.
    const mine = pool.map((server) =>
      server.url === homeUrl ? { ...server, kind: 'local' as const } : server,
    );
    return targetsFor(facts, mine);
  }
  if (home.length > 0) return { type: 'one-of', servers: home, why: "this machine's own" };
  return {
    type: 'nobody',
    status: 503,
    message: `${path} is for the Ollama of this machine (${homeUrl}), which does not answer: start it with \`ollama serve\`, or name another server with ?server=NAME`,
  };
}

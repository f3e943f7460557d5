import { isKnownPath, type Route, type RouteClass } from '../ollama/routes.ts';
import type { Right } from '../security/allow-list.ts';

/** What a machine on the network may have from this one. */
export interface Exposure {
  readonly rights: ReadonlySet<Right>;
  /** Whose rights they are: `other machines`, or one of them. */
  readonly whose: string;
  /** What the owner of this machine can do about a call that was refused for want of a right. */
  readonly remedy: (right: Right) => string;
}

export type ExposureVerdict =
  | { readonly type: 'allowed' }
  /** `remedy` is for the owner of this machine. */
  | { readonly type: 'refused'; readonly why: string; readonly remedy: string }
  /** Not part of Ollama's interface: answered as Ollama would, without asking it. */
  | { readonly type: 'absent'; readonly status: 404; readonly text: string };

/** The right that each kind of route takes. What concerns an ollama.com account is for its own machine only. */
const NEEDED: Readonly<Record<Exclude<RouteClass, 'identity' | 'unknown'>, Right>> = {
  liveness: 'read',
  aggregate: 'read',
  holder: 'read',
  inference: 'inference',
  pinned: 'manage',
  broadcast: 'manage',
};
const WHAT: Readonly<Record<Right, string>> = {
  read: 'tells what this machine has',
  inference: 'runs a model on this machine',
  manage: 'changes what this machine stores',
};

/**
 * Judges a request of a peer by its route; requests of this machine's own apps are not judged. By default a
 * peer gets what running models takes: inference and reads. Ollama itself kept this machine private, and a
 * pull may name any host and fill the disk. Pure.
 */
export function judgeExposure(route: Route, path: string, exposure: Exposure): ExposureVerdict {
  switch (route.class) {
    case 'unknown':
      // A wrong method or one slash too many does nothing there: Ollama answers with 405 or a redirect.
      return isPlain(path) && (isKnownPath(path) || isKnownPath(path.replace(/\/$/, '')))
        ? { type: 'allowed' }
        : { type: 'absent', status: 404, text: '404 page not found' };
    case 'identity':
      return {
        type: 'refused',
        why: `${path} acts on this machine's ollama.com account, so it is refused from other machines`,
        remedy: 'call it on that machine',
      };
    default:
      return judgeRight(NEEDED[route.class], path, exposure);
  }
}

/** Judges a request that takes a right. Pure. */
export function judgeRight(
  right: Right,
  path: string,
  { rights, whose, remedy }: Exposure,
): Exclude<ExposureVerdict, { readonly type: 'absent' }> {
  if (rights.has(right)) return { type: 'allowed' };
  return {
    type: 'refused',
    why: `${path} ${WHAT[right]}, so it is refused from ${whose}`,
    remedy: remedy(right),
  };
}

/** Whether nothing between here and Ollama could read another path into this one. */
function isPlain(path: string): boolean {
  return !/\.\.|%|\/\/|\\/.test(path);
}

import { isKnownPath, type Route } from '../ollama/routes.ts';

/** What a machine on the network may have from this one. */
export interface Exposure {
  /** Peers may change what is stored here: pull, push, create, copy, delete, blobs. */
  readonly manage: boolean;
  /** What the owner of this machine can do about a change that was refused. */
  readonly howToManage: string;
}

export type ExposureVerdict =
  | { readonly type: 'allowed' }
  /** `remedy` is for the owner of this machine. */
  | { readonly type: 'refused'; readonly why: string; readonly remedy: string }
  /** Not part of Ollama's interface: answered as Ollama would, without asking it. */
  | { readonly type: 'absent'; readonly status: 404; readonly text: string };

/**
 * Judges a request of a peer by its route; requests of this machine's own apps are not judged. By default a
 * peer gets what running models takes: inference and reads. Ollama itself kept this machine private, and a
 * pull may name any host and fill the disk. Pure.
 */
export function judgeExposure(
  route: Route,
  path: string,
  { manage, howToManage }: Exposure,
): ExposureVerdict {
  switch (route.class) {
    case 'unknown':
      // A wrong method or one slash too many does nothing there: Ollama answers with 405 or a redirect.
      return isPlain(path) && (isKnownPath(path) || isKnownPath(path.replace(/\/$/, '')))
        ? { type: 'allowed' }
        : { type: 'absent', status: 404, text: '404 page not found' };
    case 'identity':
      return {
        type: 'refused',
        why: `${path} acts on this machine's ollama.com account`,
        remedy: 'call it on that machine',
      };
    case 'pinned':
    case 'broadcast':
      if (manage) return { type: 'allowed' };
      return {
        type: 'refused',
        why: `${path} changes what this machine stores`,
        remedy: howToManage,
      };
    default:
      return { type: 'allowed' };
  }
}

/** Whether nothing between here and Ollama could read another path into this one. */
function isPlain(path: string): boolean {
  return !/\.\.|%|\/\/|\\/.test(path);
}

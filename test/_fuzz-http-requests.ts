import type { Dice } from './_fuzz.ts';

/** What a client does on one connection. */
export interface HttpCase {
  /** Names the shape. */
  readonly shape: string;
  /** What it sends, latin1. */
  readonly bytes: string;
  /** Tokens of the requests in it, in their order: each may reach a server once, and be answered. */
  readonly meant: readonly string[];
  /**
   * `all`: every request in it is whole and in order. `refused`: what it says has two readings, and none may be taken:
   * the connection ends. `ends`: whole, and answered or refused. `open`: it may lack something, and ends with its
   * sender.
   */
  readonly ending: 'all' | 'refused' | 'ends' | 'open';
}

/** How the tokens begin of all that nobody may take for a request: bodies, and what stands behind ambiguous ones. */
export const EVIL = 'evil';

/** What requests are for, and with which bodies; JSON where a model must be found in them. */
export const JSON_ROUTES = [
  'POST /api/generate',
  'POST /api/chat',
  'POST /api/show',
  'POST /api/embed',
  'POST /v1/chat/completions',
  'POST /v1/messages',
];
/** Which framing Node, or what is built on it, leaves out by itself. */
export const ODD_ROUTES = [
  'GET /v1/models/m',
  'GET /api/nothing',
  'DELETE /api/nothing',
  'OPTIONS /api/generate',
  'PUT /api/generate',
  'PATCH /api/chat',
  'GET /api/generate',
  'HEAD /api/show',
];
/** Those that are passed on unread; peers may not have them. */
export const UPLOADS = [
  `POST /api/blobs/sha256:${'0'.repeat(64)}`,
  `HEAD /api/blobs/sha256:${'0'.repeat(64)}`,
];

/** Writes requests to a face that is called `host`, each with a token of its own. */
export class HttpRequests {
  readonly host: string;
  #count = 0;
  /** The token of what this case smuggles. */
  bad = EVIL;

  constructor(host: string) {
    this.host = host;
  }

  /** A token that no other request has. */
  token(): string {
    this.#count += 1;
    return `t${this.#count}`;
  }

  /** An ordinary request. */
  ordinary(dice: Dice, token: string, last = false): string {
    const body = this.body(dice);
    const close = last ? 'Connection: close\r\n' : '';
    if (dice.chance(0.5)) return `${this.head(dice.one(JSON_ROUTES), token)}${close}${sized(body)}`;
    return `${this.head(dice.one(JSON_ROUTES), token)}${close}Transfer-Encoding: chunked\r\n\r\n${chunked(body, dice)}`;
  }

  /** The request line and the headers that every request has. */
  head(route: string, token: string): string {
    return `${route} HTTP/1.1\r\nHost: ${this.host}\r\nContent-Type: application/json\r\nX-Token: ${token}\r\n`;
  }

  /** A body that asks a model for a run. */
  body(dice: Dice): string {
    return JSON.stringify({ model: 'm', prompt: 'x'.repeat(dice.below(50)), stream: false });
  }

  /** A request that must never be one. */
  evil(dice: Dice): string {
    const route = dice.one(['GET /evil', 'POST /api/delete', 'DELETE /api/delete']);
    return `${route} HTTP/1.1\r\nHost: ${this.host}\r\nX-Token: ${this.bad}\r\nContent-Length: 0\r\n\r\n`;
  }
}

/** A body behind the length that it has. */
export function sized(body: string): string {
  return `Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** A body in chunks of its own sizes, some with an extension. */
export function chunked(body: string, dice: Dice): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + dice.below(body.length));
    text += `${dice.chance(0.2) ? '000' : ''}${size.toString(16)}${dice.one(['', '', ';a=b', ';x'])}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${text}0\r\n\r\n`;
}

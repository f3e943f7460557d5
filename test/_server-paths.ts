import { call } from './_api.ts';

/** Asks a daemon to use one more server. */
export const add = (url: string, body: unknown, headers = {}) =>
  call(url, '/add_server', { method: 'POST', body, headers });

/** Asks a daemon to use a server no more. */
export const remove = (url: string, name: string, headers = {}) =>
  call(url, `/servers/${encodeURIComponent(name)}`, { method: 'DELETE', headers });

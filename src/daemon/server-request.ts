import type { ServerAddress } from '../config/server-address.ts';
import type { AddedServer } from '../discovery/added-servers.ts';
import { parseServer } from '../discovery/static.ts';
import { OllanaError } from '../errors.ts';
import { bad } from './small-json.ts';
import type { ServerStatus } from './status.ts';

/** What `POST /add_server` asks for. */
export interface AddOrder {
  readonly server: ServerAddress;
  readonly keep: boolean;
}

const MEMBERS: readonly string[] = ['server', 'url', 'name', 'keep'];
/** What is typed fits easily, and an error that quotes it stays readable; characters. */
const LONGEST_ADDRESS = 2048;

/**
 * Reads the body of `POST /add_server`: `{"url", "name"?, "keep"?}`, or `{"server": "URL=NAME"}` as on the command line.
 * Throws OLLANA_BAD_REQUEST (400) naming the member. Pure.
 */
export function readAddOrder(body: Readonly<Record<string, unknown>> | undefined): AddOrder {
  if (!body) throw bad('the body is missing: send {"url": "http://192.168.1.20:11434", "name": "attic"}');
  const { server, url, name, keep = false } = body;
  const unknown = Object.keys(body).find((key) => !MEMBERS.includes(key));
  if (unknown !== undefined)
    throw bad(`unknown member "${unknown.slice(0, 40)}": there are ${MEMBERS.join(', ')}`);
  if (typeof keep !== 'boolean') throw bad('keep is true or false');
  if (server !== undefined && (url !== undefined || name !== undefined))
    throw bad('give server, or url and name, not both');
  if (name !== undefined && typeof name !== 'string') throw bad('name is text');
  const text = server ?? url;
  if (typeof text !== 'string') throw bad('url is missing: give one such as http://192.168.1.20:11434');
  if (text.length > LONGEST_ADDRESS) throw bad(`a URL has at most ${LONGEST_ADDRESS} characters`);
  return { server: parsed(name === undefined ? text : `${text}=${name}`), keep };
}

/**
 * The server that is meant by its name, URL, `host:port` or id, without regard to case: the one that was added, else
 * whatever is known. `homeOf` tells the device at an address. Pure.
 */
export function findAdded(
  wanted: string,
  added: readonly AddedServer[],
  known: readonly ServerStatus[],
  homeOf: (url: string) => string | undefined,
): { readonly added?: AddedServer; readonly known?: ServerStatus } {
  const word = wanted.trim().toLowerCase().replace(/\/+$/, '');
  const isIt = ({ url, name }: { readonly url: string; readonly name?: string | undefined }) =>
    [url, url.replace(/^https?:\/\//, ''), name].some((text) => text?.toLowerCase() === word);
  const server = known.find((one) => isIt(one) || one.deviceId === word);
  const direct = added.find(isIt);
  const found = direct ?? added.find(({ url }) => server !== undefined && homeOf(url) === server.deviceId);
  return { ...(found && { added: found }), ...(server && { known: server }) };
}

/** The name as the user gave it may be bad, too: the request is, then. */
function parsed(text: string): ServerAddress {
  try {
    return parseServer(text);
  } catch (error) {
    throw error instanceof OllanaError ? bad(error.message) : error;
  }
}

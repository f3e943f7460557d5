import { option } from '../option.ts';
import { parseServerAddress } from '../server-address.ts';
import { parseSwitch } from '../values.ts';

/** Reads `URL` or `host:port` of an ollana. Throws RangeError saying what would be right. */
function parseHub(text: string): string {
  const { url, name } = parseServerAddress(text);
  if (name === undefined) return url;
  throw new RangeError('give a URL without a name, such as http://192.168.1.10:11435');
}

/** Servers that broadcast cannot reach, and the ollanas that they tell of themselves. */
export const REGISTERING_OPTIONS = Object.freeze({
  register: option({
    flag: 'register',
    env: 'OLLANA_REGISTER',
    kind: 'list',
    hint: 'URL',
    parse: parseHub,
    help: 'an ollana in client mode that discovery cannot reach: this server tells it every 30 s that it is there',
    commands: ['serve'],
  }),
  acceptRegistrations: option({
    flag: 'accept-registrations',
    env: 'OLLANA_ACCEPT_REGISTRATIONS',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'use servers that tell of themselves (--register there); to be reached by them, listen with --host 0.0.0.0',
    commands: ['client'],
  }),
});

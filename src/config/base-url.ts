import { addressOf, splitZone } from './host.ts';

/** The zone of an IPv6 address as URLs were to have it (RFC 6874); people are to see it plain (RFC 9844). */
const ESCAPED_ZONE = /^(https?:\/\/\[[^\]%]*%)25(?=[a-z])/i;

/**
 * An absolute http or https base URL, returned without trailing slash, query-free; a path is kept.
 * Throws RangeError saying what is wrong.
 */
export function parseBaseUrl(text: string): string {
  const plain = text.replace(ESCAPED_ZONE, '$1');
  const { bare } = splitZone(plain);
  const url = URL.canParse(bare) ? new URL(bare) : undefined;
  if (!url || !/^https?:\/\//i.test(text) || url.hostname === '')
    throw new RangeError('give a URL such as http://192.168.1.20:11434');
  if (url.port === '0') throw new RangeError('port 0 cannot be connected to; give a port from 1 to 65535');
  if (url.username !== '' || url.password !== '')
    throw new RangeError('a user name or password in the URL is not supported; leave it out');
  if (url.search !== '' || url.hash !== '')
    throw new RangeError('a base URL has no ? or # part; leave it out');
  return `${url.protocol}//${addressOf(plain).shown}${url.pathname.replace(/\/+$/, '')}`;
}

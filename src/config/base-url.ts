/**
 * An absolute http or https base URL, returned without trailing slash, query-free; a path is kept.
 * Throws RangeError saying what is wrong.
 */
export function parseBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:\/\//i.test(text) || url.hostname === '')
    throw new RangeError('give a URL such as http://192.168.1.20:11434');
  if (url.port === '0') throw new RangeError('port 0 cannot be connected to; give a port from 1 to 65535');
  if (url.username !== '' || url.password !== '')
    throw new RangeError('a user name or password in the URL is not supported; leave it out');
  if (url.search !== '' || url.hash !== '')
    throw new RangeError('a base URL has no ? or # part; leave it out');
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

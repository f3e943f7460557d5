/** The host of a URL, IPv6 without brackets. Throws TypeError for what is no URL. Pure. */
export function hostOf(url: string): string {
  return unbracketed(new URL(url).hostname);
}

/** An address as it is, without the brackets that IPv6 has in URLs. Pure. */
export function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** Whether a host, without brackets, is this machine by its loopback network. Pure. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.[\d.]+$/.test(host);
}

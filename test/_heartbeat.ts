import type { Interfaces } from '../src/discovery/interfaces.ts';
import { info } from './_mdns.ts';

/** The interfaces of a machine on one network, with a link-local, a private and a tunnel address besides. */
export const LAN: Interfaces = {
  lo: [info('127.0.0.1/8'), info('::1/128')],
  eth0: [
    info('169.254.7.7/16'),
    info('192.168.1.5/24'),
    info('fe80::5/64'),
    info('2001:db8:1::5/64'),
    info('fd00:ec2::5/64'),
  ],
  tunnel: [info('10.8.0.2/0'), info('fd99::2/0')],
};

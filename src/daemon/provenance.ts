import type { CommonConfig } from '../config.ts';
import type { SourceName } from '../discovery/sighting.ts';

/** Where a claim comes from and how it is ended there, for those that nobody can end from here. */
const REMEDIES: Readonly<Record<SourceName, (config: Pick<CommonConfig, 'serverFile'>) => string>> = {
  static: () => 'is named by --server or OLLANA_SERVER: restart ollana without it',
  file: ({ serverFile }) =>
    `is in the server file ${serverFile ?? ''}: remove its line there, which counts at once`,
  udp: () => 'announces itself on this network: end `ollana serve` there, or start this ollana with --no-udp',
  mdns: () => 'announces itself on this network: end it there, or start this ollana with --no-mdns',
  dns: () => 'is in the DNS: remove its record there, or start this ollana without that --discover',
  heartbeat: () =>
    'registers itself here: start it without --register, or this ollana without --accept-registrations',
  local: () => 'is the Ollama of this machine: --no-local-fallback leaves it out',
};

/** Why a server that others claim cannot be removed here, and what to do instead. Pure. */
export function whyItStays(
  name: string,
  sources: readonly string[],
  config: Pick<CommonConfig, 'serverFile'>,
): string {
  const whys = sources.map((source) => REMEDIES[source as SourceName]?.(config) ?? `comes from ${source}`);
  return `${name} ${whys.length === 0 ? 'was not added here' : whys.join('; it ')}`;
}

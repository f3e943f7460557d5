import type { ServerStatus } from '../daemon/status.ts';
import { parseServer } from '../discovery/static.ts';
import { EXIT } from './exit-codes.ts';
import { type Told, tellDaemon } from './tell-daemon.ts';
import { plainText } from './text.ts';

/** What `ollana add` was told. */
export interface AddCommand {
  readonly dataDir: string;
  /** `URL[=NAME]` as typed. */
  readonly server: string;
  /** It is to be there again after a restart. */
  readonly keep: boolean;
}

/**
 * Names a server to the running daemon and prints how it answers. Returns 0 when it was taken, whether it answers yet or
 * not, 1 when it was refused. Throws OLLANA_BAD_OPTION, OLLANA_NOT_RUNNING and OLLANA_DIAL_FAILED.
 */
export async function addServer({ dataDir, server, keep }: AddCommand): Promise<number> {
  // A mistyped one is a bad usage, whether an ollana runs or not.
  const { url, name } = parseServer(server);
  const told = await tellDaemon(dataDir, {
    method: 'POST',
    path: '/add_server',
    body: { url, ...(name !== undefined && { name }), keep },
  });
  if (!told) return EXIT.failed;
  process.stdout.write(`${plainText(addedText(told))}\n`);
  return EXIT.ok;
}

/** One line about a server that was taken: what it is called, and whether it is any use already. Pure. */
export function addedText({ name, url, added, kept, server }: Told): string {
  const what = `${added === true ? 'added' : 'known already:'} ${name} at ${url}${kept === true ? ', kept' : ''}`;
  const { verdict, models, reason } = (server ?? {}) as Partial<ServerStatus>;
  if (verdict !== 'reliable')
    return `${what}; it does not answer yet${reason === undefined ? '' : ` (${reason})`} and is tried on`;
  const count = Array.isArray(models) ? models.length : 0;
  return `${what}; it has ${count} ${count === 1 ? 'model' : 'models'}`;
}

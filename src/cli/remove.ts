import { EXIT } from './exit-codes.ts';
import { tellDaemon } from './tell-daemon.ts';
import { plainText } from './text.ts';

/** What `ollana remove` was told. */
export interface RemoveCommand {
  readonly dataDir: string;
  /** Its name, URL, `host:port` or id, as typed. */
  readonly server: string;
}

/**
 * Takes back a server that was named by `ollana add`. Returns 0 when that is done, 1 when it was refused; that others
 * still claim the server is told. Throws OLLANA_NOT_RUNNING and OLLANA_DIAL_FAILED.
 */
export async function removeServer({ dataDir, server }: RemoveCommand): Promise<number> {
  const path = `/servers/${encodeURIComponent(server)}`;
  const told = await tellDaemon(dataDir, { method: 'DELETE', path, body: {} });
  if (!told) return EXIT.failed;
  const { removed, why } = told;
  process.stdout.write(`${plainText(`removed ${removed}`)}\n`);
  if (typeof why === 'string') process.stdout.write(`${plainText(`it is still used: ${why}`)}\n`);
  return EXIT.ok;
}

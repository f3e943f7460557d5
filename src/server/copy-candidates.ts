import type { ServerFacts } from '../fleet/pool.ts';
import type { TagRow } from '../ollama/lists.ts';
import { manifestPath } from '../ollama/model-path.ts';
import { isCloudModel } from '../ollama/names.ts';
import type { Neighbour } from './copy-source.ts';

/** If none of so many has it to give, the next one hardly will. */
const MAX_NEIGHBOURS = 8;

/**
 * The servers from which a model may be copied to the Ollama at `own`, newest copy first: those that list it as a model
 * of files which is not among the rows `here` that this Ollama has, or is newer there. Whether they are paired is for
 * whoever dials them. Pure.
 */
export function copyCandidates(
  servers: readonly ServerFacts[],
  own: string,
  modelKey: string,
  here: readonly TagRow[],
): readonly Neighbour[] {
  const rowOf = ({ tags }: ServerFacts) => tags?.find(({ key }) => key === modelKey);
  const ownRow = here.find(({ key }) => key === modelKey);
  return servers
    .filter(({ url, kind, verdict }) => url !== own && kind === 'ollana' && verdict.state === 'reliable')
    .flatMap((server) => {
      const row = rowOf(server);
      return row && isFile(row) && isNews(row, ownRow) ? [{ server, row }] : [];
    })
    .sort((a, b) => timeOf(b.row) - timeOf(a.row))
    .slice(0, MAX_NEIGHBOURS)
    .map(({ server: { name, url }, row }) => ({ name, url, model: row.name, digest: row.digest }));
}

function isFile({ name, digest, raw }: TagRow): boolean {
  const isRemote = typeof raw.remote_host === 'string' && raw.remote_host !== '';
  return (
    /^(sha256:)?[0-9a-f]{64}$/.test(digest) &&
    !isRemote &&
    !isCloudModel(name) &&
    manifestPath(name) !== undefined
  );
}

function isNews(row: TagRow, here: TagRow | undefined): boolean {
  return !here || (row.digest !== here.digest && timeOf(row) > timeOf(here));
}

const timeOf = ({ modifiedAt }: TagRow): number => Date.parse(modifiedAt) || 0;

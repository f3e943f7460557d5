import type { TraceView } from '../dashboard/view.ts';
import { OllanaError } from '../errors.ts';
import { readReport, theDaemon } from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson } from './safe-json.ts';
import { whyText } from './why-text.ts';

/** As much of an id as the file can look for. */
const LEAST_ID = 8;

/**
 * Prints why a request went to its server: the one whose id begins so, or the last one. Returns the exit code. Throws
 * OLLANA_BAD_OPTION for no id or for one that several or none have, OLLANA_NOT_RUNNING and OLLANA_DIAL_FAILED.
 */
export async function printWhy(
  { dataDir, json }: { readonly dataDir: string; readonly json: boolean },
  words: readonly string[],
): Promise<number> {
  const [id, more] = words;
  if (more !== undefined || (id !== undefined && !/^[0-9a-f-]{8,36}$/i.test(id)))
    throw wrong(
      `give one request id, at least its first ${LEAST_ID} characters: \`ollana logs\` shows them, and answers carry it as X-Ollana-Request-Id`,
    );
  const query = id === undefined ? '' : `&request_id=${encodeURIComponent(id)}`;
  const { traces } = await readReport<{ traces: readonly TraceView[] }>(
    theDaemon(dataDir),
    `/dashboard/api/traces?limit=2${query}`,
    ({ traces }) => Array.isArray(traces),
  );
  const [trace, other] = traces;
  if (!trace)
    throw wrong(
      id === undefined
        ? 'no request has ended yet that runs a model'
        : `no request ${id} is kept: \`ollana logs\` shows those that are; one that ended a moment ago or is of another machine is not here`,
    );
  if (id !== undefined && other) throw wrong(`several ids begin with ${id}: give more of it`);
  process.stdout.write(json ? `${safeJson(trace)}\n` : whyText(trace));
  return EXIT.ok;
}

function wrong(message: string): OllanaError {
  return new OllanaError('OLLANA_BAD_OPTION', message);
}

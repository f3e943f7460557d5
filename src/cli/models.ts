import type { ModelReport } from '../daemon/model-report.ts';
import { readReport, theDaemon } from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { modelsTable } from './models-table.ts';
import { safeJson } from './safe-json.ts';

/**
 * Prints the models of all servers that the running daemon of a data directory knows: a table, or a ModelReport as
 * JSON. Returns the exit code. Throws OLLANA_NOT_RUNNING and OLLANA_DIAL_FAILED.
 */
export async function printModels(dataDir: string, json: boolean): Promise<number> {
  const report = await readReport<ModelReport>(theDaemon(dataDir), '/ollana/api/models', ({ models }) =>
    Array.isArray(models),
  );
  process.stdout.write(json ? `${safeJson(report)}\n` : modelsTable(report));
  return EXIT.ok;
}

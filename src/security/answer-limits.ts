import type { ClientRequest } from 'node:http';
import type { LimitName } from '../limits.ts';

/** Interim answers (1xx) to one request: an honest server gives one or two, and Node counts their headers anew. */
const MAX_INTERIM = 64;

/** Ends a request whose server speaks without end before its answer; the header of that Node bounds to 16 kB. */
export function boundAnswer(request: ClientRequest, onLimit: (limit: LimitName) => void): void {
  let interim = 0;
  request.on('information', () => {
    interim += 1;
    if (interim <= MAX_INTERIM || request.destroyed) return;
    onLimit('answer-interim');
    request.destroy(new Error(`it gave over ${MAX_INTERIM} interim answers (1xx) and no answer`));
  });
  request.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'HPE_HEADER_OVERFLOW') onLimit('answer-header');
  });
}

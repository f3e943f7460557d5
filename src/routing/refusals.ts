import { OllanaError } from '../errors.ts';

/** For a request that will not wait: another ollana takes a ticket then. */
export function busy(): OllanaError {
  return new OllanaError('OLLANA_BUSY', 'no slot is free here now', { status: 503, retryAfterS: 1 });
}

/** For a request that found every queue full, with the reason of one of them. */
export function queueFull(reason: string): OllanaError {
  return new OllanaError(
    'OLLANA_QUEUE_FULL',
    `every server refused this request: ${reason}; try again soon`,
    {
      status: 503,
      retryAfterS: 2,
      limit: 'queue',
    },
  );
}

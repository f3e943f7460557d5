import type { ServerFacts } from '../fleet/pool.ts';
import type { ObservedEvent } from './event-stream.ts';
import type { Log } from './log.ts';

type AttemptEnded = Extract<ObservedEvent, { readonly type: 'attempt-ended' }>;

/** As many servers are told of in one line; a fleet may have a thousand. */
const MAX_LISTED = 20;

/**
 * Puts choices and servers into the log as ollama_load_balancer did, one line each, and the state of all servers after
 * each change; `others` gets the rest.
 */
export function narrateEmoji(
  log: Log,
  servers: () => readonly ServerFacts[],
  others: (event: ObservedEvent) => void,
): (event: ObservedEvent) => void {
  const stateOf = (deviceId: string) => servers().find((one) => one.deviceId === deviceId)?.verdict.state;
  return (event) => {
    switch (event.type) {
      case 'attempt-began':
        if (event.model !== undefined) log.info(choice(event));
        return;
      case 'attempt-ended':
        if (event.model !== undefined && event.end !== 'busy')
          say(log, attempt(event, stateOf(event.deviceId)));
        return;
      case 'request-ended':
        // What was answered has been told of when its server was chosen and when it was done.
        if (event.errorCode === 'OLLANA_NO_SERVER')
          log.warn(`🤷 No available servers to serve client ${event.client}`);
        else if (event.outcome === 'failed' || event.outcome === 'refused') others(event);
        return;
      case 'server-joined':
        log.info(`🟢 Server ${event.url} (${event.name}) joined`);
        return log.info(list(servers()));
      case 'server-left':
        log.info(`👋 Server ${event.url} (${event.name}) left`);
        return log.info(list(servers()));
      case 'verdict-changed': {
        const { url, verdict } = event;
        if (verdict.state === 'reliable') log.info(`🙏⚕️ Server ${url} is now marked Reliable`);
        else if (verdict.state === 'unreliable')
          log.warn(`❌😱 Server ${url} is now marked Unreliable. Error: ${verdict.reason}`);
        return log.info(list(servers()));
      }
      default:
        return others(event);
    }
  };
}

function choice({
  verdict,
  url,
  client,
}: Extract<ObservedEvent, { readonly type: 'attempt-began' }>): string {
  if (verdict === 'reliable') return `🤖🦸 Chose reliable server: ${url} to serve client ${client}`;
  const which = verdict === 'unreliable' ? 'another chance' : 'a 3rd+ chance';
  return `🤖😇 Giving server ${url} ${which} with client ${client}`;
}

function attempt({ url, outcome, end }: AttemptEnded, state: ServerFacts['verdict']['state'] | undefined) {
  const isDoubted = state !== undefined && state !== 'reliable';
  if (outcome.type !== 'failed') {
    if (end === 'client-left' || isDoubted)
      return { warn: `⚠️ Connection closed with ${isDoubted ? 'Unreliable ' : ''}Server ${url}` };
    return { info: `🟢 Server ${url} now available` };
  }
  const what = {
    dial: "didn't respond",
    stream: 'failed during streaming',
    status: 'answered with an error',
  }[outcome.cause];
  // It has been judged by now: its first failure made it unreliable.
  const isFirst = state === 'unreliable';
  const text = isFirst ? `❌😱 Server ${url} ${what}` : `❌😞 Unreliable server ${url} ${what}`;
  return { warn: `${text}. Error: ${outcome.reason}` };
}

function say(log: Log, line: { readonly info?: string; readonly warn?: string }): void {
  if (line.info !== undefined) log.info(line.info);
  if (line.warn !== undefined) log.warn(line.warn);
}

const MARKS = { reliable: '🟢', unreliable: '❌', 'second-chance': '⏳' } as const;

function list(servers: readonly ServerFacts[]): string {
  const shown = servers.slice(0, MAX_LISTED).map(({ name, verdict }) => `${MARKS[verdict.state]} ${name}`);
  const more = servers.length > MAX_LISTED ? [`and ${servers.length - MAX_LISTED} more`] : [];
  return `📋 Ollama servers list: ${[...shown, ...more].join(', ') || 'empty'}`;
}

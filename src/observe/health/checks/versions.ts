import { isReached } from '../../../fleet/verdict-rules.ts';
import { type Finding, shown, word } from '../finding.ts';
import { type Check, FACT_TIMES, type HealthServer } from '../snapshot.ts';

/** As many digits of a digest as `ollama list` shows. */
const SHORT = 12;
/** Of more servers the first are named. */
const MOST_NAMED = 5;

/** Servers run Ollamas of other versions, which answer and count differently. */
export const versionMismatch: Check = {
  id: 'version-mismatch',
  ...FACT_TIMES,
  find: ({ servers }) => {
    const known = servers.filter(
      ({ verdict, version }) => isReached(verdict) && release(version) !== undefined,
    );
    const newest = Math.max(...known.map(({ version }) => release(version) ?? 0));
    const best = known.find(({ version }) => release(version) === newest);
    return known
      .filter(({ version }) => (release(version) ?? newest) < newest)
      .map(
        ({ deviceId, name, version, machine }): Finding => ({
          subject: deviceId,
          severity: 'info',
          title: `the Ollama of ${shown(name)} is older than others`,
          seen: `${shown(version ?? '')}, while ${shown(best?.name ?? '')} runs ${shown(best?.version ?? '')}`,
          remedy: {
            command:
              machine?.system?.startsWith('Linux') === false
                ? 'ollama --version  # then get the newest from https://ollama.com/download'
                : 'curl -fsSL https://ollama.com/install.sh | sh',
            on: shown(name),
          },
          resolvedWhen: 'all run the same minor version',
          server: name,
          deviceId,
        }),
      );
  },
};

/** Major and minor version as one number; undefined for what is built from sources, which calls itself 0.0.0. */
function release(version: string | undefined): number | undefined {
  const [, major, minor] = /^v?(\d{1,5})\.(\d{1,5})/.exec(version ?? '') ?? [];
  const number = Number(major) * 100_000 + Number(minor);
  return number > 0 ? number : undefined;
}

/** One name means different models on different servers. */
export const digestConflict: Check = {
  id: 'digest-conflict',
  ...FACT_TIMES,
  find: ({ servers }) => {
    const copies = new Map<string, { name: string; digest: string; server: HealthServer }[]>();
    for (const server of servers) {
      if (!isReached(server.verdict) || server.kind === 'local') continue;
      for (const { key, name, digest } of server.tags ?? []) {
        if (digest === '') continue;
        const copy = { name, digest: digest.replace(/^sha256:/, ''), server };
        const known = copies.get(key);
        if (known) known.push(copy);
        else copies.set(key, [copy]);
      }
    }
    return [...copies].flatMap(([key, all]): Finding[] => {
      const [first] = all;
      if (!first || all.every(({ digest }) => digest === first.digest)) return [];
      const named = all
        .slice(0, MOST_NAMED)
        .map(({ digest, server }) => `${shown(digest).slice(0, SHORT)} on ${shown(server.name)}`);
      const more = all.length > MOST_NAMED ? `, and ${all.length - MOST_NAMED} more` : '';
      return [
        {
          subject: key,
          severity: 'warning',
          title: `${shown(first.name)} is not the same model everywhere`,
          seen: `${named.join(', ')}${more}`,
          remedy: { command: `ollana pull ${word(first.name)} --all`, on: null },
          resolvedWhen: 'all copies have the same digest',
          model: first.name,
        },
      ];
    });
  },
};

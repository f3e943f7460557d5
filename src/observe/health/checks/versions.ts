import { isReached } from '../../../fleet/verdict-rules.ts';
import type { TagRow } from '../../../ollama/lists.ts';
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
    // A fleet has tens of thousands of copies, and those that differ are few: only these are gathered.
    const digests = new Map<string, string>();
    const differing = new Set<string>();
    for (const { key, digest } of servers.flatMap(copiesAt)) {
      const known = digests.get(key);
      if (known === undefined) digests.set(key, digest);
      else if (!isSame(known, digest)) differing.add(key);
    }
    return [...differing].map((key): Finding => {
      const all = servers.flatMap((server) =>
        copiesAt(server)
          .filter((row) => row.key === key)
          .map(({ name, digest }) => ({ name, digest: digest.replace(/^sha256:/, ''), server })),
      );
      const name = all[0]?.name ?? key;
      const named = all
        .slice(0, MOST_NAMED)
        .map(({ digest, server }) => `${shown(digest).slice(0, SHORT)} on ${shown(server.name)}`);
      const more = all.length > MOST_NAMED ? `, and ${all.length - MOST_NAMED} more` : '';
      return {
        subject: key,
        severity: 'warning',
        title: `${shown(name)} is not the same model everywhere`,
        seen: `${named.join(', ')}${more}`,
        remedy: { command: `ollana pull ${word(name)} --all`, on: null },
        resolvedWhen: 'all copies have the same digest',
        model: name,
      };
    });
  },
};

const NO_COPIES: readonly TagRow[] = [];

/** What a server has that others may have too; a laptop's own Ollama is nobody's business. */
function copiesAt({ verdict, kind, tags }: HealthServer): readonly TagRow[] {
  if (!tags || kind === 'local' || !isReached(verdict)) return NO_COPIES;
  return tags.every(({ digest }) => digest !== '') ? tags : tags.filter(({ digest }) => digest !== '');
}

/** Ollama writes them with `sha256:` before them, or without. */
function isSame(one: string, other: string): boolean {
  return one === other || one.replace(/^sha256:/, '') === other.replace(/^sha256:/, '');
}

import type { FleetView } from '../fleet/view.ts';
import type { Asked } from '../proxy/want.ts';

/** Says why no server could take a request and what to do, for the one who asked. */
export function explainClient(fleet: FleetView): (asked?: Asked) => string {
  return (asked) => {
    const servers = fleet.servers();
    const holders = servers.filter(
      ({ modelKeys }) => asked?.modelKey !== undefined && modelKeys.has(asked.modelKey),
    );
    const down = (holders.length > 0 ? holders : servers).map(({ name, url, verdict }) =>
      verdict.state === 'reliable'
        ? `${name} (${url})`
        : `${name} (${url}): ${verdict.reason}, since ${new Date(verdict.sinceMs).toISOString()}`,
    );
    const silent = fleet.unanswered().map(({ url, reason }) => `${url}: ${reason}`);
    const known = [...down, ...silent].slice(0, 5).join('; ');
    if (known === '') {
      return 'no Ollama server has been found on this network: run `ollana serve` on the machine with the GPU, or name one with --server URL';
    }
    const what =
      holders.length > 0 && asked ? `no server that holds ${asked.model} answers` : 'no server answers';
    return `${what}: ${known}. Is Ollama running there? \`ollana status\` shows the servers`;
  };
}

/** The same for this machine's apps in server mode: the other servers count as soon as there are any. */
export function explainLocal(fleet: FleetView, own: FleetView, ollama: string): (asked?: Asked) => string {
  const [many, one] = [explainClient(fleet), explainServer(own, ollama)];
  return (asked) => (fleet.servers().some(({ url }) => url !== ollama) ? many(asked) : one());
}

/** The same for other machines in server mode: `fleet` is this machine's Ollama alone. */
export function explainServer(fleet: FleetView, ollama: string): () => string {
  return () => {
    const [server] = fleet.servers();
    const reason = server
      ? server.verdict.state === 'reliable'
        ? 'it failed the request'
        : server.verdict.reason
      : (fleet.unanswered()[0]?.reason ?? 'it has not answered yet');
    return `the Ollama of this machine (${ollama}) does not answer: ${reason}. Start it with \`ollama serve\``;
  };
}

import type { StartContender } from './contender.ts';
import { startOllana } from './ollana-daemon.ts';

/** ollana on the laptop, plain Ollama on the server. */
export const startOneHop: StartContender = async (ollamaUrl, config) => {
  const daemon = await startOllana('ollana', ['--server', ollamaUrl, '--no-local-fallback'], config);
  return { ...daemon, name: 'ollana', pids: [daemon.pid] };
};

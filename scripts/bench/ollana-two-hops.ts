import type { StartContender } from './contender.ts';
import { startOllana } from './ollana-daemon.ts';

/** ollana on the laptop, `ollana serve` in front of the server's Ollama. */
export const startTwoHops: StartContender = async (ollamaUrl, config) => {
  // What the simulated Ollama runs at once: it is the hop that is measured, not the queue.
  const serve = ['serve', '--ollama', ollamaUrl, '--parallel', '64'];
  const server = await startOllana('ollana-serve', serve, config);
  try {
    const args = ['--server', server.url, '--no-local-fallback'];
    const client = await startOllana('ollana-two-hops', args, config);
    return {
      name: 'ollana, two hops',
      url: client.url,
      pids: [client.pid, server.pid],
      [Symbol.asyncDispose]: async () => {
        await client[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
};

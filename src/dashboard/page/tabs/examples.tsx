import { Command } from '../parts.tsx';

/** How each kind of client is pointed at this ollana. */
export function Examples({ url }: { readonly url: string }) {
  const examples = [
    { title: 'Ollama command line', text: `OLLAMA_HOST=${url} ollama run llama3.2` },
    {
      title: 'Ollama API',
      text: `curl ${url}/api/chat -d '{"model":"llama3.2","messages":[{"role":"user","content":"Hello"}]}'`,
    },
    {
      title: 'OpenAI client (Python)',
      text: `from openai import OpenAI
client = OpenAI(base_url="${url}/v1", api_key="ollama")
client.chat.completions.create(
    model="llama3.2", messages=[{"role": "user", "content": "Hello"}])`,
    },
    {
      title: 'Anthropic client (Python)',
      text: `from anthropic import Anthropic
client = Anthropic(base_url="${url}", api_key="ollama")
client.messages.create(
    model="llama3.2", max_tokens=500, messages=[{"role": "user", "content": "Hello"}])`,
    },
    {
      title: 'Claude Code and other programs that read variables',
      text: `export ANTHROPIC_BASE_URL=${url} ANTHROPIC_AUTH_TOKEN=ollama
export OPENAI_BASE_URL=${url}/v1 OPENAI_API_KEY=ollama`,
    },
  ];
  return (
    <div class="examples">
      {examples.map(({ title, text }) => (
        <section key={title} aria-label={title}>
          <h3>{title}</h3>
          <Command text={text} label={title} />
        </section>
      ))}
    </div>
  );
}

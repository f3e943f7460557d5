import { Command } from './parts.tsx';

/** Why something was not done, with the commands that its words name, to be copied. */
export function Refusal({ what, error }: { readonly what: string; readonly error: string }) {
  const commands = [...new Set([...error.matchAll(/`([^`]+)`/g)].map(([, command = '']) => command))];
  return (
    <div class="failure" role="alert">
      <p>
        {what}: {error}
      </p>
      {commands.map((command) => (
        <Command key={command} text={command} />
      ))}
    </div>
  );
}

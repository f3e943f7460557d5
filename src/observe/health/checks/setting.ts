import type { MachineFacts } from '../../../fleet/machine-facts.ts';
import { word } from '../finding.ts';

/** The command that gives Ollama a setting, on the system of the machine where it runs. Pure. */
export function settingCommand(machine: MachineFacts | undefined, name: string, value: string): string {
  const system = machine?.system ?? '';
  if (system.startsWith('Darwin')) return `launchctl setenv ${name} ${word(value)}  # then restart Ollama`;
  if (system.startsWith('Windows')) return `setx ${name} ${word(value)}  & rem then restart Ollama`;
  const unit = '/etc/systemd/system/ollama.service.d';
  const text = `'[Service]\\nEnvironment=${name}=${value.replace(/[^\w.:-]/g, '')}\\n'`;
  return `sudo mkdir -p ${unit} && printf ${text} | sudo tee ${unit}/${name.toLowerCase()}.conf && sudo systemctl daemon-reload && sudo systemctl restart ollama`;
}

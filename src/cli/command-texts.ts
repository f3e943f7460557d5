import type { Command } from '../config/option.ts';

/** What each command is for, and how it is typed. */
export const COMMAND_TEXTS: Readonly<
  Record<Command, { usage: string; about: string; examples: readonly string[] }>
> = {
  client: {
    usage: 'ollana [options]',
    about: 'use the servers of this network at http://127.0.0.1:11435',
    examples: [
      'ollana                                   # find servers, listen on 11435',
      'OLLAMA_HOST=localhost:11435 ollama list  # any Ollama client, unchanged',
      'ollana --server http://10.0.0.7:11434=attic --no-udp',
      'ollana -d && ollana status',
    ],
  },
  serve: {
    usage: 'ollana serve [options]',
    about: "offer this machine's Ollama to the network",
    examples: [
      'ollana serve                             # on every address, port 11435',
      'ollana serve -d --name attic --interface eth0',
      'ollana serve --ollama http://127.0.0.1:11500 --allow manage',
    ],
  },
  status: {
    usage: 'ollana status [options]',
    about: 'show what the running ollana sees: servers, models, requests',
    examples: ['ollana status', 'ollana status --wide', 'ollana status --json | jq .'],
  },
  top: {
    usage: 'ollana top [options]',
    about: 'watch servers, models, queues and requests, live, in this terminal',
    examples: [
      'ollana top                               # q or Ctrl-C ends it',
      'ssh -t attic ollana top',
      'ollana top --data-dir /var/lib/ollana    # that of a service, as root',
    ],
  },
  health: {
    usage: 'ollana health [--watch] [options]',
    about: 'show what is wrong, since when, and the command against it',
    examples: [
      'ollana health                            # exit code 0 unless something is critical',
      'ollana health --json | jq .score',
      'ollana health --watch                    # a line when a problem begins or ends',
    ],
  },
  models: {
    usage: 'ollana models [options]',
    about: 'list the models of all servers: where installed, where loaded',
    examples: ['ollana models', "ollana models --json | jq -r '.models[].name'"],
  },
  pull: {
    usage: 'ollana pull MODEL [--on SERVER | --all] [options]',
    about: 'get a model, on the server with most room or those named',
    examples: [
      'ollana pull llama3.2                     # ollana chooses, and says where',
      'ollana pull llama3.2 --on attic',
      'ollana pull llama3.2 --all               # exit code 0 if all have done it',
    ],
  },
  rm: {
    usage: 'ollana rm MODEL [--on SERVER] [options]',
    about: 'remove a model from every server that has it, or from one',
    examples: ['ollana rm llama3.2', 'ollana rm llama3.2 --on attic'],
  },
  unload: {
    usage: 'ollana unload MODEL [--on SERVER] [options]',
    about: 'take a model out of the memory of every server, or of one',
    examples: ['ollana unload llama3.2', 'ollana unload llama3.2 --on attic'],
  },
  add: {
    usage: 'ollana add URL[=NAME] [--keep] [options]',
    about: 'name a server to the running ollana, which uses it at once',
    examples: [
      'ollana add http://10.0.0.7:11434=attic',
      'ollana add gpu1:11435 --keep             # after a restart, too',
    ],
  },
  remove: {
    usage: 'ollana remove NAME [options]',
    about: 'take back a server that was named by `ollana add`',
    examples: ['ollana remove attic', 'ollana remove http://10.0.0.7:11434'],
  },
  key: {
    usage: 'ollana key add NAME | list | remove NAME [options]',
    about: 'API keys for apps: who may run what here, and how often',
    examples: [
      'ollana key add editor                    # prints the key, this once',
      'ollana key add bot --models llama3.2,qwen3 --rate 60/min',
      'ollana key list --json',
      'ollana key remove bot                    # no restart needed',
      'ollana serve --require-key               # nothing without a key',
    ],
  },
  device: {
    usage: 'ollana device show|list|allow ID|disable ID|pair [NAME] [options]',
    about: 'pair machines, so that no others are let in or used',
    examples: [
      'ollana device pair                       # on the server: shows a code',
      'ollana device pair attic                 # on the laptop: asks for it',
      'ollana device pair http://10.0.0.7:11435 # the same, by its URL',
      'ollana device show                       # name, id, and the id in words',
      'ollana device list --json',
      'ollana device allow ID[=NAME] --manage   # without a code; on both machines',
      'ollana device disable laptop             # closes its connections, too',
    ],
  },
  discover: {
    usage: 'ollana discover [--watch] [options]',
    about: 'show what is heard on the network, where, and what is refused',
    examples: [
      'ollana discover                          # exit code 0 if a server was found',
      'ollana discover --watch --interface eth0 # a line for every change',
      'ollana discover --explain                # what a firewall must let pass',
    ],
  },
  logs: {
    usage: 'ollana logs [--follow] [filters] [options]',
    about: 'show what was asked, who answered, how long it took',
    examples: [
      'ollana logs --follow',
      'ollana logs --status failed --since 2h',
      'ollana logs --model llama3.2 --server attic --json',
    ],
  },
  why: {
    usage: 'ollana why [ID] [options]',
    about: 'say why a request went to its server, with the numbers',
    examples: [
      'ollana why                               # the last request',
      'ollana why 3f2a9c01                      # X-Ollana-Request-Id, or its beginning',
    ],
  },
  usage: {
    usage: 'ollana usage [--by WHAT] [--since TIME] [options]',
    about: 'add up requests, tokens and GPU time',
    examples: [
      'ollana usage                             # by model, the last 30 days',
      'ollana usage --by app --since 7d',
      'ollana usage --by day --csv > days.csv',
    ],
  },
  benchmark: {
    usage: 'ollana benchmark [MODEL ...] [--server NAME] [--history] [options]',
    about: 'measure models at servers; says what GPU time it takes, and asks first',
    examples: [
      'ollana benchmark llama3.2                # at every server that has it',
      'ollana benchmark llama3.2 qwen3 --server attic --server cellar',
      'ollana benchmark llama3.2 --rounds 3 --yes --json > speeds.json',
      'ollana benchmark --history               # earlier ones; runs nothing',
    ],
  },
  demo: {
    usage: 'ollana demo [options]',
    about: 'try ollana, with simulated servers where there are none',
    examples: ['ollana demo', 'ollana demo --port 11500'],
  },
  config: {
    usage: 'ollana config [show|path|check] [options]',
    about: 'show every option with its value and who set it; check the file',
    examples: [
      'ollana config                            # value and source of each option',
      'ollana config path                       # where the file is, or would be',
      'ollana config check                      # every mistake in it at once',
      'ollana config check --config new.toml && mv new.toml "$(ollana config path)"',
    ],
  },
  reload: {
    usage: 'ollana reload [options]',
    about: 'have the running ollana read its file again; SIGHUP does the same',
    examples: ['ollana reload', 'ollana config check && ollana reload'],
  },
  env: {
    usage: 'ollana env [--shell NAME] [options]',
    about: 'print the variables that lead apps to the running ollana',
    examples: [
      'eval "$(ollana env)"                     # bash, zsh',
      'ollana env --shell fish | source',
      'ollana env --shell powershell | Out-String | Invoke-Expression',
      'for /f "delims=" %i in (\'ollana env --shell cmd\') do @%i',
    ],
  },
  run: {
    usage: 'ollana run [options] APP [ARGUMENT ...]',
    about: 'run a program with these variables; a model runs by `ollama run`',
    examples: [
      'ollana run claude --model qwen3          # what follows APP is for APP',
      'ollana run python3 agent.py',
      'ollana run ollama run llama3.2           # the stock command, on any GPU',
    ],
  },
  port: {
    usage: 'ollana port [show|take|give] [options]',
    about: 'move a local Ollama off port 11434, for --take-port, and back',
    examples: [
      'ollana port                              # who has 11434, what take would do',
      'sudo ollana port take                    # Ollama goes to 127.0.0.1:11433',
      'ollana --take-port -d                    # ollana is on 11434, too',
      'sudo ollana port give                    # Ollama is back where it was',
    ],
  },
  doctor: {
    usage: 'ollana doctor [--bundle FILE] [options]',
    about: 'look for what keeps ollana from working here, with the remedies',
    examples: [
      'ollana doctor                            # exit code 1 if there is a problem',
      'sudo ollana doctor                       # the firewall, too',
      'ollana doctor --json | jq .checks',
      'ollana doctor --bundle report.json       # for a bug, without names and keys',
    ],
  },
  service: {
    usage: 'ollana service install|uninstall|status|logs [options]',
    about: 'have ollana start with the machine or with your session',
    examples: [
      'ollana service install --user            # client mode, when you log in',
      'sudo ollana service install --serve      # server mode, when it starts',
      'ollana service install --user --dry-run  # only show what would be done',
      'ollana service logs --user',
    ],
  },
  update: {
    usage: 'ollana update --check',
    about: 'say whether there is a newer version, and how to have it',
    examples: ['ollana update --check                    # changes nothing; never done unasked'],
  },
  completion: {
    usage: 'ollana completion bash|zsh|fish|powershell',
    about: 'print a script that completes ollana in a shell',
    examples: [
      'ollana completion bash > ~/.local/share/bash-completion/completions/ollana',
      'source <(ollana completion zsh)          # in ~/.zshrc, after compinit',
      'ollana completion fish > ~/.config/fish/completions/ollana.fish',
      'ollana completion powershell >> $PROFILE',
    ],
  },
};

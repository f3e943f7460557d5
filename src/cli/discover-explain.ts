/** Ports of discovery and of servers. */
export interface FirewallPorts {
  /** UDP, see `--discovery-port`. */
  readonly discovery: number;
  /** TCP, of servers. */
  readonly http: number;
}

/**
 * What a firewall must let pass so that servers are found and used, with the commands for those that are common; at
 * most 80 columns, ending in a line break. Pure.
 */
export function firewallText({ discovery, http }: FirewallPorts): string {
  return `What must pass between the machines, and why

  UDP ${discovery}  in, to this port      servers: the questions of clients, which are
                                    broadcast; clients: servers that announce
                                    themselves; by IPv6 to ff12::cc41:4e41 and
                                    ff12::cc41:4e36
  UDP ${discovery}  in, from this port    clients: the answers of servers; a firewall
                                    does not know them for answers, as the
                                    question went to everyone
  UDP 5353   in and out             both: mDNS, to 224.0.0.251 and ff02::fb
  TCP ${http}  in                     servers only: the requests themselves

Where a firewall holds back what goes out, too: the same, outwards. Broadcast
and mDNS end at a router, and guest Wi-Fi often keeps its clients apart ("client
isolation"): name servers with --server there, have them register, or let DNS
name them:
  Consul      --discover dns:_ollama._tcp.service.consul@127.0.0.1:8600
  Kubernetes  --discover dns:_ollama._tcp.SERVICE.NAMESPACE.svc.cluster.local
If a server is found but does not answer, look at TCP ${http} on that server.

ufw (Ubuntu, Debian)
  sudo ufw allow ${discovery}/udp
  sudo ufw allow proto udp from any port ${discovery} to any
  sudo ufw allow 5353/udp
  sudo ufw allow ${http}/tcp                                       # servers only

firewalld (Fedora, RHEL, openSUSE)
  sudo firewall-cmd --permanent --add-port=${discovery}/udp
  sudo firewall-cmd --permanent --add-source-port=${discovery}/udp
  sudo firewall-cmd --permanent --add-service=mdns
  sudo firewall-cmd --permanent --add-port=${http}/tcp             # servers only
  sudo firewall-cmd --reload

nftables (names of table and chain: \`sudo nft list ruleset\`; a restart forgets
these, so put them into /etc/nftables.conf as well)
  sudo nft insert rule inet filter input udp dport { 5353, ${discovery} } accept
  sudo nft insert rule inet filter input udp sport ${discovery} accept
  sudo nft insert rule inet filter input tcp dport ${http} accept  # servers only

Windows (PowerShell as administrator; the network must be a private one)
  New-NetFirewallRule -DisplayName "ollana discovery" -Direction Inbound \`
    -Profile Private,Domain -Protocol UDP -LocalPort ${discovery},5353 -Action Allow
  New-NetFirewallRule -DisplayName "ollana answers" -Direction Inbound \`
    -Profile Private,Domain -Protocol UDP -RemotePort ${discovery} -Action Allow
  New-NetFirewallRule -DisplayName "ollana server" -Direction Inbound \`
    -Profile Private,Domain -Protocol TCP -LocalPort ${http} -Action Allow
  The last one on servers only.

macOS (its firewall allows programs, not ports)
  fw=/usr/libexec/ApplicationFirewall/socketfilterfw
  sudo $fw --add "$(realpath "$(which node)")"
  sudo $fw --unblockapp "$(realpath "$(which node)")"
  From macOS 15 on, also: System Settings, Privacy & Security, Local Network:
  switch on the program that ollana is started from, such as Terminal.
`;
}

package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// firewallNames are the packet filters that [Config.Firewall] may name. A manager
// that package firewall learns to drive is one name more here, and one row less in
// byHand.
var firewallNames = []string{"auto", "nftables", "iptables", "none"}

// byHand are the managers that lvsdr does not drive yet, each with its own command
// that opens one port.
var byHand = map[string]func(netip.Addr, Port) string{
	"firewalld": firewalldCommand,
	"ufw":       ufwCommand,
}

// wrongFirewall tells what is wrong with the name of the packet filter. A manager
// that lvsdr does not drive yet is refused with the commands that open the ports.
func wrongFirewall(c Config) string {
	switch {
	case c.Firewall == "" || slices.Contains(firewallNames, c.Firewall):
		return ""
	case byHand[c.Firewall] != nil:
		return fmt.Sprintf("not supported yet: open the ports yourself with %s, and use none here (--firewall none)",
			OpenByHand(c.Firewall, c.Services))
	}
	return "a packet filter is wanted: " + oneOf(firewallNames)
}

// OpenByHand is what a person types to have a manager that lvsdr does not drive
// ("firewalld", "ufw") open the services' ports: the first few commands, and how
// many there are besides. It is empty for another name, or without a port.
func OpenByHand(manager string, services []Service) string {
	command := byHand[manager]
	if command == nil {
		return ""
	}
	var commands []string
	for _, s := range services {
		for _, p := range s.AllPorts() {
			if c := command(s.VIP, p); !slices.Contains(commands, c) {
				commands = append(commands, c)
			}
		}
	}
	const shown = 3
	text := ""
	if n := min(shown, len(commands)); n > 0 {
		text = "`" + strings.Join(commands[:n], " && ") + "`"
	}
	if more := len(commands) - shown; more > 0 {
		text += fmt.Sprintf(" and the same for %d more", more)
	}
	return text
}

// firewalldCommand opens one port for good and at once (firewall-cmd(1)).
func firewalldCommand(_ netip.Addr, p Port) string {
	ports := fmt.Sprint(p.Number)
	if p.Number == 0 {
		ports = "1-65535"
	}
	arg := fmt.Sprintf("--add-port=%s/%s", ports, p.Protocol)
	return "firewall-cmd " + arg + " && firewall-cmd --permanent " + arg
}

// ufwCommand opens one port (ufw(8), which has no SCTP: there, every protocol).
func ufwCommand(vip netip.Addr, p Port) string {
	switch {
	case p.Protocol == SCTP:
		return fmt.Sprintf("ufw allow to %s", vip)
	case p.Number == 0:
		return fmt.Sprintf("ufw allow proto %s to %s", p.Protocol, vip)
	}
	return fmt.Sprintf("ufw allow proto %s to %s port %d", p.Protocol, vip, p.Number)
}

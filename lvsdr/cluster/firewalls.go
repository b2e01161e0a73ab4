package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// FirewallManagers are the programs that load the packet filter's rules by files of
// their own, and anew when told to. One more is a name here, in byHand and in package
// firewall.
var FirewallManagers = []string{"firewalld", "ufw"}

// firewallNames are what [Config.Firewall] may name.
var firewallNames = slices.Concat([]string{"auto"}, FirewallManagers, []string{"nftables", "iptables", "none"})

// byHand are the managers' own commands that open one port.
var byHand = map[string]func(netip.Addr, Port) string{
	"firewalld": firewalldCommand,
	"ufw":       ufwCommand,
}

// wrongFirewall tells what is wrong with the name of the packet filter.
func wrongFirewall(c Config) string {
	if c.Firewall == "" || slices.Contains(firewallNames, c.Firewall) {
		return ""
	}
	return "a packet filter is wanted: " + oneOf(firewallNames)
}

// OpenByHand is what a person types to have a manager ("firewalld", "ufw") open the services' ports: the first few commands, and how
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

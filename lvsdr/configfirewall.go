package lvsdr

import (
	"fmt"
	"slices"
	"strings"
)

// firewallNames are the packet filters that [Config.Firewall] may name.
var firewallNames = []string{"auto", "nftables", "iptables", "none"}

// wrongFirewall tells what is wrong with the name of the packet filter. The two
// managers that lvsdr does not drive yet are refused with the commands that open
// the ports by hand.
func wrongFirewall(c Config) string {
	var open func(Opening) string
	switch {
	case c.Firewall == "" || slices.Contains(firewallNames, c.Firewall):
		return ""
	case c.Firewall == "firewalld":
		open = firewalldCommand
	case c.Firewall == "ufw":
		open = ufwCommand
	default:
		return "a packet filter is wanted: " + oneOf(firewallNames)
	}
	return fmt.Sprintf("not supported yet: open the ports yourself with %s, and use none here (--firewall none)",
		byHand(c.openings(), open))
}

// byHand joins the commands for the first few openings.
func byHand(openings []Opening, command func(Opening) string) string {
	const shown = 3
	var commands []string
	for _, o := range openings[:min(shown, len(openings))] {
		commands = append(commands, command(o))
	}
	text := "`" + strings.Join(commands, " && ") + "`"
	if more := len(openings) - shown; more > 0 {
		text += fmt.Sprintf(" and the same for %d more", more)
	}
	return text
}

// firewalldCommand opens one port for good and at once (firewall-cmd(1)).
func firewalldCommand(o Opening) string {
	ports := fmt.Sprint(o.Port)
	if o.Port == 0 {
		ports = "1-65535"
	}
	arg := fmt.Sprintf("--add-port=%s/%s", ports, o.Protocol)
	return "firewall-cmd " + arg + " && firewall-cmd --permanent " + arg
}

// ufwCommand opens one port (ufw(8), which has no SCTP: there, every protocol).
func ufwCommand(o Opening) string {
	switch {
	case o.Protocol == SCTP:
		return fmt.Sprintf("ufw allow to %s", o.VIP)
	case o.Port == 0:
		return fmt.Sprintf("ufw allow proto %s to %s", o.Protocol, o.VIP)
	}
	return fmt.Sprintf("ufw allow proto %s to %s port %d", o.Protocol, o.VIP, o.Port)
}

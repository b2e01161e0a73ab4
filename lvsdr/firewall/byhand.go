package firewall

import (
	"fmt"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ByHand joins the commands for the first few openings.
func ByHand(openings []host.Opening, command func(host.Opening) string) string {
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

// FirewalldCommand opens one port for good and at once (firewall-cmd(1)).
func FirewalldCommand(o host.Opening) string {
	ports := fmt.Sprint(o.Port)
	if o.Port == 0 {
		ports = "1-65535"
	}
	arg := fmt.Sprintf("--add-port=%s/%s", ports, o.Protocol)
	return "firewall-cmd " + arg + " && firewall-cmd --permanent " + arg
}

// ufwCommand opens one port (ufw(8), which has no SCTP: there, every protocol).
func ufwCommand(o host.Opening) string {
	switch {
	case o.Protocol == cluster.SCTP:
		return fmt.Sprintf("ufw allow to %s", o.VIP)
	case o.Port == 0:
		return fmt.Sprintf("ufw allow proto %s to %s", o.Protocol, o.VIP)
	}
	return fmt.Sprintf("ufw allow proto %s to %s port %d", o.Protocol, o.VIP, o.Port)
}

package firewall

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// richPriority is the mark of lvsdr's rich rules, which have no comment: the number
// of its routes' protocol too. Rules with one above 0 come after those that refuse a
// sender and before the zone refuses the rest (firewalld.richlanguage(5)).
const richPriority = host.RouteProtocol

// richRule is the opening in the words that firewalld gives it back in
// (firewall/core/rich.py, Rich_Rule.__str__).
func richRule(o host.Opening) string {
	family := map[bool]string{true: "ipv4", false: "ipv6"}[o.VIP.Is4()]
	rule := fmt.Sprintf(`rule priority="%d" family="%s" destination address="%s" `, richPriority, family, o.VIP)
	if o.IsTooBig() {
		return rule + fmt.Sprintf(`icmp-type name="%s" accept`, host.TooBigName(o.VIP))
	}
	if o.Port == 0 {
		return rule + fmt.Sprintf(`protocol value="%s" accept`, host.ProtocolName(o.Protocol))
	}
	return rule + fmt.Sprintf(`port port="%d" protocol="%s" accept`, o.Port, o.Protocol)
}

var richOpening = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^rule priority="` + strconv.Itoa(richPriority) +
		`" family="ipv[46]" destination address="([^"]+)" (?:(?:port port="([0-9]+)" protocol|protocol value)="([a-z]+)"|icmp-type name="(fragmentation-needed|packet-too-big)") accept$`)
})

// parseRichRule reads a rule of ours.
func parseRichRule(text string) (o host.Opening, ok bool) {
	m := richOpening().FindStringSubmatch(text)
	if m == nil {
		return o, false
	}
	vip, err := netip.ParseAddr(m[1])
	if err != nil {
		return o, false
	}
	if m[4] != "" {
		return host.TooBig(vip), m[4] == host.TooBigName(vip)
	}
	return openingOf(vip, m[2], m[3])
}

// openingOf is the opening of a port and protocol in words, an empty port being all.
func openingOf(vip netip.Addr, port, protocol string) (o host.Opening, ok bool) {
	all := port == ""
	if p, err := host.ParseProtocol(protocol); p == host.VRRPProtocol && err == nil {
		return host.Opening{VIP: vip, Protocol: p}, all
	}
	p, err := cluster.ParsePort(cmp.Or(port, "0") + "/" + protocol)
	return host.Opening{VIP: vip, Port: p.Number, Protocol: p.Protocol}, err == nil && all == (p.Number == 0)
}

// ourService begins the description of every service of ours: no other is touched,
// whatever it is called.
const ourService = "Written by lvsdr, which removes it with lvsdr teardown."

// hadNoFile notes in a service's description that a zone was firewalld's own, without
// a file in /etc, before the service was put into it.
func hadNoFile(zone string) string { return "lvsdr:before zone " + zone + ": no file in /etc" }

// hadNoBackup notes that it had one, and no backup of it, which firewalld writes at each
// change.
func hadNoBackup(zone string) string { return "lvsdr:before zone " + zone + ": no backup in /etc" }

// notes finds both. firewalld makes blanks of line breaks.
var notes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`lvsdr:before zone \S+: no (file|backup) in /etc`)
})

type port struct{ Port, Protocol string }

// serviceOpenings are those of a service of ours, with one address of the two.
func serviceOpenings(destinations []string, ports []port, protocols []string) (all []host.Opening) {
	for _, addr := range destinations {
		vip, err := netip.ParseAddr(addr)
		if err != nil {
			continue
		}
		for _, p := range ports {
			if o, ok := openingOf(vip, p.Port, p.Protocol); ok {
				all = append(all, o)
			}
		}
		for _, protocol := range protocols {
			if o, ok := openingOf(vip, "", protocol); ok {
				all = append(all, o)
			}
		}
	}
	return host.SortOpenings(all)
}

// isOurName tells whether a service may be ours: "lvsdr", and "lvsdr-2" and on for
// further VIPs.
func isOurName(name string) bool {
	number, more := strings.CutPrefix(name, firewallMark+"-")
	if !more {
		return name == firewallMark
	}
	n, err := strconv.Atoi(number)
	return err == nil && n >= 2
}

// ourName is the name of the service of the n-th VIP, from 1.
func ourName(n int) string {
	if n == 1 {
		return firewallMark
	}
	return firewallMark + "-" + strconv.Itoa(n)
}

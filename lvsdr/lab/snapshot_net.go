//go:build linux

package lab

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkLines, addressLines and so on read the calling thread's network namespace.
func linkLines() ([]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, l := range links {
		a := l.Attrs()
		line := fmt.Sprintf("%d: %s %s mtu %d mac %s flags %v", a.Index, a.Name, l.Type(), a.MTU, a.HardwareAddr, a.Flags)
		if a.RawFlags&unix.IFF_NOARP != 0 {
			line += " noarp"
		}
		lines = append(lines, line+" alias "+a.Alias)
	}
	slices.Sort(lines)
	return lines, nil
}

func addressLines() ([]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, a := range addresses {
		lines = append(lines, fmt.Sprintf("%s dev %s peer %v broadcast %v label %q scope %d flags %#x valid %s preferred %s",
			a.IPNet, names[a.LinkIndex], a.Peer, a.Broadcast, a.Label, a.Scope,
			a.Flags&^unix.IFA_F_TENTATIVE, lifetime(a.ValidLft), lifetime(a.PreferedLft)))
	}
	slices.Sort(lines)
	return lines, nil
}

// lifetime is what stays of a lifetime that counts down.
func lifetime(seconds int) string {
	switch {
	case seconds == 0:
		return "over"
	case uint32(seconds) == math.MaxUint32:
		return "forever"
	}
	return "limited"
}

func routeLines() ([]string, error) {
	// The zero table asks for those of all tables.
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, r := range routes {
		if r.Flags&unix.RTM_F_CLONED != 0 { // a cached exception
			continue
		}
		lines = append(lines, fmt.Sprintf("%v via %v dev %d table %d type %d protocol %d scope %d source %v metric %d flags %#x hops %v mtu %d",
			r.Dst, r.Gw, r.LinkIndex, r.Table, r.Type, r.Protocol, r.Scope, r.Src, r.Priority,
			r.Flags&^unix.RTNH_F_LINKDOWN, r.MultiPath, r.MTU))
	}
	slices.Sort(lines)
	return lines, nil
}

func ruleLines() ([]string, error) {
	rules, err := netlink.RuleList(netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, r := range rules {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s family %d mark %#x type %d", r.String(), r.Family, r.Mark, r.Type)))
	}
	slices.Sort(lines)
	return lines, nil
}

func neighbourLines() ([]string, error) {
	neighbours, err := netlink.NeighList(0, 0)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, n := range neighbours {
		if n.State&netlink.NUD_PERMANENT != 0 {
			lines = append(lines, fmt.Sprintf("%s dev %d mac %s", n.IP, n.LinkIndex, n.HardwareAddr))
		}
	}
	slices.Sort(lines)
	return lines, nil
}

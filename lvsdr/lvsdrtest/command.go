package lvsdrtest

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// This file writes things the way ip, sysctl, ipvsadm and a shell would be told
// them. [World.Dump] and [Recorder.Log] are made of it; parse.go reads it.

// scopes are the names that ip(8) has for address scopes (rtnetlink(7)).
var scopes = map[string]uint8{"global": 0, "link": 253, "host": 254}

// usualScope is the scope that ip(8) or, in IPv6, the kernel gives an address.
func usualScope(addr netip.Addr) uint8 {
	switch {
	case addr.IsLoopback():
		return scopes["host"]
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return scopes["link"]
	}
	return scopes["global"]
}

// addressText is an address as "ip addr add" takes it, what is usual left out.
func addressText(a host.Address) string {
	var b strings.Builder
	b.WriteString(a.Prefix.String() + " dev " + a.Link)
	add := func(there bool, text string) {
		if there {
			b.WriteString(" " + text)
		}
	}
	add(a.Label != "" && a.Label != a.Link, "label "+a.Label)
	for name, scope := range scopes {
		add(a.Scope == scope && scope != usualScope(a.Prefix.Addr()), "scope "+name)
	}
	add(a.Peer.IsValid(), "peer "+a.Peer.String())
	add(a.Broadcast.IsValid(), "brd "+a.Broadcast.String())
	add(a.Metric != 0, fmt.Sprintf("metric %d", a.Metric))
	add(a.Protocol != 0, fmt.Sprintf("proto %d", a.Protocol))
	add(a.NoPrefixRoute, "noprefixroute")
	add(a.NoDAD, "nodad")
	add(a.Lifetime != 0, fmt.Sprintf("valid_lft %d", int(a.Lifetime.Seconds())))
	add(a.Deprecated, "preferred_lft 0")
	add(a.DADFailed, "dadfailed")
	add(a.Tentative, "tentative")
	return b.String()
}

// sysctlText is a key and value as "sysctl -w" takes them. A key keeps its
// slashes where a dot would be ambiguous.
func sysctlText(key, value string) string {
	if !strings.Contains(key, ".") {
		key = strings.ReplaceAll(key, "/", ".")
	}
	if strings.ContainsAny(value, " \t") {
		value = strconv.Quote(strings.Join(strings.Fields(value), " "))
	}
	return key + "=" + value
}

// timeoutsText is what stands behind "ipvsadm --set".
func timeoutsText(t ipvs.Timeouts) string {
	return fmt.Sprintf("%d %d %d", int(t.TCP.Seconds()), int(t.TCPFin.Seconds()), int(t.UDP.Seconds()))
}

// fileText writes a file as the shell commands that make it.
func fileText(name string, data []byte, perm fs.FileMode) string {
	var b strings.Builder
	if text := string(data); text == "" || strings.HasSuffix(text, "\n") {
		b.WriteString("cat >" + name + " <<'EOF'\n" + text + "EOF")
	} else {
		b.WriteString("cat >" + name + " <<'EOF' # no newline at the end\n" + text + "\nEOF")
	}
	if perm != 0o644 {
		fmt.Fprintf(&b, "\nchmod %#o %s", perm, name)
	}
	return b.String()
}

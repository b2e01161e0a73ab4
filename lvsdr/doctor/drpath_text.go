package doctor

import (
	"fmt"

	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// outcomeText is the outcome of a knock at a port, as said of the port.
func outcomeText(r probe.Reply) string {
	switch r.Outcome {
	case probe.Accepted:
		return "open"
	case probe.Reset:
		return "refused"
	case probe.Unreachable:
		name, _ := icmpReason(r, r.From.Is6())
		return "rejected with " + name
	case "", probe.Silent:
		return "silent"
	}
	return string(r.Outcome)
}

// reason is what kind of thing an ICMP destination unreachable tells.
type reason int

const (
	prohibited reason = iota // a rule forbids it
	noPort                   // nobody has the port; packet filters like to say that too
	noWay                    // a router's word: it has no way to the address
)

// icmpReasons are the codes of destination unreachable (RFC 792, RFC 1122 section
// 3.2.2.1, RFC 1812 section 5.2.7.1; RFC 4443 section 3.1).
var icmpReasons = map[bool]map[uint8]struct {
	name string
	kind reason
}{
	false: {
		0: {"net unreachable", noWay}, 1: {"host unreachable", noWay}, 2: {"protocol unreachable", prohibited},
		3: {"port unreachable", noPort}, 5: {"source route failed", noWay}, 6: {"net unknown", noWay}, 7: {"host unknown", noWay},
		9: {"net prohibited", prohibited}, 10: {"host prohibited", prohibited}, 13: {"administratively prohibited", prohibited},
	},
	true: {
		0: {"no route", noWay}, 1: {"administratively prohibited", prohibited}, 3: {"address unreachable", noWay},
		4: {"port unreachable", noPort}, 5: {"source address policy", prohibited}, 6: {"reject route", noWay},
	},
}

// icmpReason names an ICMP destination unreachable.
func icmpReason(r probe.Reply, v6 bool) (string, reason) {
	family := "ICMP"
	if v6 {
		family = "ICMPv6"
	}
	found, ok := icmpReasons[v6][r.Code]
	if !ok {
		found.name = "destination unreachable"
	}
	return fmt.Sprintf("%s %s (type %d code %d)", family, found.name, r.Type, r.Code), found.kind
}

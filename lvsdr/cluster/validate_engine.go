package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// wrongEngine tells what is wrong with the name of the engine.
func wrongEngine(name string) string {
	if name == "" || slices.Contains(engineNames, name) {
		return ""
	}
	return "an engine is wanted: " + oneOf(engineNames)
}

// watching checks what keepalived is to do for a service.
func (v serviceValidation) watching(c Config, vips map[netip.Addr]string) {
	if !c.Keepalived() {
		v.withoutKeepalived()
		return
	}
	if v.s.Check != nil {
		v.check(*v.s.Check)
	}
	v.quorum()
	if v.s.SorryServer.IsValid() {
		v.sorryServer(vips)
	}
}

// withoutKeepalived refuses what would do nothing.
func (v serviceValidation) withoutKeepalived() {
	const cure = "it is keepalived's to do: write engine: keepalived (at the top of the file), or leave it out"
	if v.s.Check != nil {
		v.add("check", "", cure)
	}
	if v.s.Quorum != 0 {
		v.add("quorum", strconv.Itoa(v.s.Quorum), cure)
	}
	if v.s.SorryServer.IsValid() {
		v.add("sorryServer", v.s.SorryServer.String(), cure)
	}
	if v.s.Inhibit {
		v.add("inhibit", "true", cure)
	}
}

// quorum is a sum of weights.
func (v serviceValidation) quorum() {
	q, total := v.s.Quorum, 0
	for _, r := range v.s.RealServers {
		total += r.weight()
	}
	switch {
	case q < 0:
		v.add("quorum", strconv.Itoa(q), "the least sum of weights that serves is wanted, 1 or more")
	case q > 1 && len(v.s.RealServers) > 0 && q > total:
		v.add("quorum", strconv.Itoa(q), fmt.Sprintf("is more than all weights together, %d: the service would never serve", total))
	}
}

func (v serviceValidation) sorryServer(vips map[netip.Addr]string) {
	_, address, reason := v.wrongRealServer(RealServer{Address: v.s.SorryServer}, vips)
	if reason == "" && slices.ContainsFunc(v.s.RealServers, func(r RealServer) bool { return r.Address == v.s.SorryServer }) {
		reason = "is a real server of this service: the sorry server takes over when they are out"
	}
	if reason != "" {
		v.add("sorryServer", address, reason)
	}
}

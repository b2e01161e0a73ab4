package cluster

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
)

// The engines: who keeps the IPVS table as the configuration says.
const (
	// EngineIPVS: the table is as lvsdr sets it, until somebody changes it.
	EngineIPVS = "ipvs"
	// EngineKeepalived: keepalived takes a real server out of the table while its health
	// check fails.
	EngineKeepalived = "keepalived"
)

var engineNames = []string{EngineIPVS, EngineKeepalived}

// Keepalived tells whether the engine is keepalived.
func (c Config) Keepalived() bool { return c.Engine == EngineKeepalived }

// SorryServers returns the addresses of the sorry servers, each once.
func (c Config) SorryServers() []netip.Addr {
	var all []netip.Addr
	for _, s := range c.Services {
		if s.SorryServer.IsValid() && !slices.Contains(all, s.SorryServer) {
			all = append(all, s.SorryServer)
		}
	}
	return all
}

// MinimumWeight is [Service.Quorum] with its default.
func (s Service) MinimumWeight() int { return cmp.Or(s.Quorum, 1) }

// sameEngine tells whether both have the same engine, and it the same to do.
func (c Config) sameEngine(other Config) bool {
	if c.Keepalived() != other.Keepalived() {
		return false
	}
	return !c.Keepalived() || reflect.DeepEqual(c.watched(), other.watched())
}

// watch is what keepalived does beyond the table.
type watch struct {
	check  Check
	quorum int
	sorry  netip.Addr

	inhibit bool
}

func (c Config) watched() map[claim_]watch {
	all := map[claim_]watch{}
	for _, s := range c.Services {
		for _, p := range s.AllPorts() {
			all[claim_{s.VIP, p}] = watch{s.Check.For(p), s.MinimumWeight(), s.SorryServer, s.Inhibit}
		}
	}
	return all
}

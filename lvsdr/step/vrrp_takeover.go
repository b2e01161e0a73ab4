package step

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
)

// catchesUp is for how long a director that has taken over may not know a connection of
// which the other one tells: the kernel keeps what does not fill a message for up to two
// seconds (IPVS_SYNC_FLUSH_TIME in net/netfilter/ipvs/ip_vs_sync.c).
const catchesUp = 2500 * time.Millisecond

// takeOver has keepalived read a configuration with which this host may take the VIPs from
// another one, and waits for that. With synchronisation it resets no connection meanwhile
// that it is about to be told of: until it is, the client sends again.
func (s movedVIPs) takeOver(ctx context.Context, v *vipView, carried []keepalived.Carried, do func() error) error {
	if s.config.Sync == nil || !s.comesFirst(v) {
		return do()
	}
	all, err := v.host.Links.Addresses(ctx)
	if err != nil {
		return err
	}
	if here(carried, all) > 0 { // its connections are known
		return do()
	}
	answer, err := v.host.VRRP.Quiet(ctx, tcpOf(s.config))
	if err != nil {
		return err
	}
	var after time.Duration
	defer func() { answer(after) }()
	if err := do(); err != nil {
		return err
	}
	return settleVRRP(ctx, v.host, s.config.PreemptDelay()+s.config.VRRP.TakesOver(s.priority(v))+vrrpSettling, func(all []host.Address) bool {
		if here(carried, all) < len(carried) {
			return false
		}
		after = catchesUp
		return true
	})
}

// tcpOf are the addresses and ports that clients come to over TCP.
func tcpOf(c cluster.Config) (all []netip.AddrPort) {
	for _, s := range c.Services {
		for _, p := range s.AllPorts() {
			if p.Protocol == cluster.TCP && p.Number != 0 {
				all = append(all, netip.AddrPortFrom(s.VIP, p.Number))
			}
		}
	}
	return all
}

// comesFirst tells whether this director takes the VIPs from another one that has them.
func (s movedVIPs) comesFirst(v *vipView) bool {
	return *s.config.VRRP.Full().Preempt && s.priority(v) == slices.Max(s.config.Priorities())
}

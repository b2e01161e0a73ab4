package doctor

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// A VIPOnLAN is a VIP of the configuration and who answers for it on its LAN.
type VIPOnLAN struct {
	Addr netip.Addr
	// Link is the interface of this host that is on the VIP's LAN, empty when none is:
	// then nobody was asked.
	Link string
	Here bool // this host has the VIP itself, on whatever interface
	// Answerers are the MAC addresses of other hosts that answer an ARP probe or
	// neighbour solicitation for the VIP, sorted, each once, without those of proxies,
	// which answer for others. One is the rule, on a director none.
	Answerers []net.HardwareAddr
}

// A PathOnLAN is one service at one real server, and what came of a packet for the VIP
// that this host sent to the real server itself, past the director.
type PathOnLAN struct {
	Service    ipvs.ID
	RealServer netip.Addr
	// MAC is where the packet went, nil when nobody answers for the real server's
	// address: then none was sent.
	MAC net.HardwareAddr
	// Reply is what came back within a second. Its Outcome is empty when no packet was
	// sent: the real server was not found, this host has no address to ask from, or it is
	// before set-up ([BeforeSetUp]).
	Reply probe.Reply
	// Serves: the real server accepted the packet, and answered it itself.
	Serves bool
}

// VIPsOnLAN returns who answers for each VIP of the configuration, in its order.
//
// The LAN is asked once for all checks that call this or [Exam.PathsOnLAN], which takes
// one to two seconds; after [Exam.Run] and [Exam.Prove] it is what they have seen. It fails with [ErrPassive] in an exam that puts nothing on the
// wire: a check that asks has [Check.Wire].
func (e *Exam) VIPsOnLAN(ctx context.Context) ([]VIPOnLAN, error) {
	s, err := e.survey(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]VIPOnLAN, len(s.vips))
	for i, v := range s.vips {
		all[i] = VIPOnLAN{Addr: v.addr, Here: v.mine}
		if v.err == nil {
			all[i].Link, all[i].Answerers = v.link.Name, v.answerers()
			slices.SortFunc(all[i].Answerers, func(a, b net.HardwareAddr) int { return slices.Compare(a, b) })
		}
	}
	return all, nil
}

// PathsOnLAN returns what came of trying the services at their real servers. Left out
// are this host itself, real servers beyond a gateway, those of weight 0, which get no
// new connections, and of a real server with many services all but four. It asks the
// LAN and fails as [Exam.VIPsOnLAN].
func (e *Exam) PathsOnLAN(ctx context.Context) ([]PathOnLAN, error) {
	s, err := e.survey(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]PathOnLAN, len(s.paths))
	for i, p := range s.paths {
		all[i] = PathOnLAN{Service: p.id, RealServer: p.server.rip, MAC: p.server.mac, Reply: p.reply, Serves: p.serves()}
	}
	return all, nil
}

package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// allWait tells of a service for which as many clients wait as count (see fewWaiting),
// at every real server, while none of the same origin has been answered. The clients
// on the LAN and those beyond it are told apart: the former need no gateway back.
//
// Invented addresses wait as well: where nobody but a flood comes it is named here
// too; one who was answered beside it ends that.
func allWait(s servedService, flows map[flow]*tally) (problems []Problem) {
	for place := onLAN; place <= beyond; place++ {
		var sum origin
		at := 0
		clients := map[netip.Addr]bool{}
		for _, d := range s.live.Destinations {
			t := flows[flowOf(s.live, d)]
			if t == nil {
				continue
			}
			o := t.from[place]
			sum.others, sum.stuck = sum.others+o.others, sum.stuck+o.stuck
			if o.stuck > 0 {
				at, sum.client = at+1, o.client
			}
			for _, c := range t.clients {
				clients[c] = true
			}
		}
		several := len(clients) >= manyClients || at > 1 && spreads(s.live)
		if sum.stuck >= fewWaiting && sum.others == 0 && several && waitEvenly(s.live, flows, place, sum.stuck) {
			problems = append(problems, everyoneWaits(s, place, sum))
		}
	}
	return problems
}

// spreads tells whether one client's connections go to several real servers: then its
// own trouble is not taken for theirs.
func spreads(v *ipvs.Entry) bool {
	weighty := 0
	for _, d := range v.Destinations {
		if d.Weight > 0 {
			weighty++
		}
	}
	return weighty > 1 && v.Flags&ipvs.Persistent == 0 &&
		!slices.Contains([]string{"sh", "mh", "dh", "lblc", "lblcr", "fo", "ovf"}, v.Scheduler)
}

// waitEvenly tells whether connections wait at every real server that is due some of so
// many.
func waitEvenly(v *ipvs.Entry, flows map[flow]*tally, place, waiting int) bool {
	share := 0
	for _, d := range v.Destinations {
		share += shareOf(v, d)
	}
	return !slices.ContainsFunc(v.Destinations, func(d ipvs.Destination) bool {
		t := flows[flowOf(v, d)]
		return waiting*shareOf(v, d)/max(share, 1) >= manyClients && (t == nil || t.from[place].stuck == 0)
	})
}

// everyoneWaits names both causes that the ways tried from here do not show: this
// director knocks from its own address, and is answered at it.
func everyoneWaits(s servedService, place int, sum origin) Problem {
	who := [...]string{onLAN: "clients on the LAN", beyond: "clients beyond the LAN"}[place]
	p := problem("", "%s: %d connections of %s wait in SYN_RECV, at all real servers, and none of theirs has been answered (one is of %s), "+
		"though each real server answers this host", s.live.ID, sum.stuck, who, sum.client)
	way := fmt.Sprintf("they come: the real servers have no way back to %s: see \"ip route get %s from %s\" there, and \"lvsdr doctor realserver --client %s\", "+
		"which asks for the gateway", sum.client, sum.client, s.want.Addr, sum.client)
	if place == onLAN {
		way = fmt.Sprintf("they come: the real servers' answers do not reach %s: see \"ip route get %s from %s\" there, and its packet filter",
			sum.client, sum.client, s.want.Addr)
	}
	p.Advice = fmt.Sprintf("Look on a real server whether the clients' packets come: tcpdump -ni any host %s. If %s. If none come, the network drops what this "+
		"director sends on, whose source is a client's address and not its own: have the switch, hypervisor or cloud let its port send from other addresses "+
		"(port security, IP source guard, anti-spoofing, source/destination check). Addresses that belong to nobody are a flood of SYNs.", s.want.Addr, way)
	return p
}

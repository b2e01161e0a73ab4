package doctor

import (
	"context"
	"net/netip"
)

// asksAsDirector tells of a director that asks for its real servers in the VIP's
// name. What it forwards comes from clients; only what somebody on the director
// himself sends to the VIP goes to a real server with the VIP as its source, and the
// table's connections tell of that.
func (e *Exam) asksAsDirector(ctx context.Context) ([]Problem, error) {
	var problems []Problem
	for _, vip := range e.Config.VIPs() {
		if vip.Is6() {
			continue
		}
		count, err := e.connectionsFrom(ctx, vip)
		if err != nil {
			return problems, err
		}
		if count == 0 {
			continue
		}
		lan, err := e.LAN(ctx, vip)
		if err != nil {
			return problems, err
		}
		v, err := e.effective("arp_announce", lan.Name)
		if err != nil {
			return problems, err
		}
		asks, err := e.asks(ctx, v, vip)
		if err != nil {
			return problems, err
		}
		if asks {
			problems = append(problems, triedHere(v, vip, count))
		}
	}
	return problems, nil
}

// connectionsFrom counts the connections of the IPVS table that came from an address.
func (e *Exam) connectionsFrom(ctx context.Context, client netip.Addr) (count int, err error) {
	all, err := e.Connections(ctx)
	for _, c := range all {
		if c.Client.Addr() == client {
			count++
		}
	}
	return count, err
}

func triedHere(v effective, vip netip.Addr, count int) Problem {
	p := warning(v.command("2"), "%s, and %d of the connections to the VIP %s came from this host itself: "+
		"for them it asks for a real server in the name of the VIP, which that has too and does not answer; clients wait meanwhile", v, count, vip)
	p.Advice = "nor are such connections ever served: try the VIP from another host"
	return p
}

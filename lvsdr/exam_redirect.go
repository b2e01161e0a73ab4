package lvsdr

import (
	"context"
	"errors"

	"github.com/lvsdr/toolkit/lvsdr/filter"
)

// redirected tells whether a rule of the packet filter takes the opening's packets
// as they come in and gives them to another address or port of this host (REDIRECT,
// DNAT, TPROXY): then the VIP need not be here.
func (e *Exam) redirected(ctx context.Context, o Opening) (bool, error) {
	rules, err := e.rules(ctx)
	if err != nil {
		return false, err
	}
	in, err := e.lan(ctx, o.VIP)
	if err != nil && !errors.Is(err, errNoLAN) {
		return false, err
	}
	return rules.Trace(filter.Packet{
		Hook: filter.Prerouting, In: in.Name, Src: e.far(o.VIP), Dst: o.VIP,
		Protocol: uint8(o.Protocol), SrcPort: 50000, DstPort: o.Port, TCPFlags: filter.SYN, State: filter.New,
	}).Translated != "", nil
}

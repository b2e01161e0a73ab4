package firewall

import (
	"context"
	"errors"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/filter"
)

// ARPDropped reads nft's family arp.
func ARPDropped(ctx context.Context) ([]netip.Addr, error) {
	var dropped []netip.Addr
	err := filter.Nftables(ctx, func() error {
		var err error
		dropped, err = readARPRules()
		return err
	})
	return dropped, err
}

func readARPRules() ([]netip.Addr, error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(nftSocket))
	if err != nil {
		return nil, err
	}
	defer conn.CloseLasting()
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyARP)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) { // the kernel has no such family
		return nil, nil
	}
	var dropped []netip.Addr
	for _, c := range chains {
		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			found, err := arpAddresses(conn, r)
			if err != nil {
				return nil, err
			}
			dropped = append(dropped, found...)
		}
	}
	return dropped, err
}

// Where ARP for IPv4 over Ethernet has the sender's and the target's IP address
// (RFC 826), in bytes from the start of its header.
const (
	arpSender = 14
	arpTarget = 24
)

// arpAddresses are the IPv4 addresses, sender or target, that a rule looks for in
// order to drop the packet, or to give it another sender (arptables' mangle).
func arpAddresses(conn *nftables.Conn, r *nftables.Rule) ([]netip.Addr, error) {
	var found []netip.Addr
	add := func(data []byte) {
		if addr, ok := netip.AddrFromSlice(data); ok && addr.Is4() {
			found = append(found, addr)
		}
	}
	address, drops := false, false
	for _, x := range r.Exprs {
		switch x := x.(type) {
		case *expr.Payload:
			address = x.Base == expr.PayloadBaseNetworkHeader && x.Len == 4 && (x.Offset == arpSender || x.Offset == arpTarget)
		case *expr.Cmp:
			if address && x.Op == expr.CmpOpEq {
				add(x.Data)
			}
		case *expr.Lookup:
			if !address || x.Invert {
				continue
			}
			elements, err := conn.GetSetElements(&nftables.Set{Table: r.Table, Name: x.SetName})
			if err != nil {
				return nil, err
			}
			for _, e := range elements {
				add(e.Key)
			}
		case *expr.Verdict:
			drops = drops || x.Kind == expr.VerdictDrop
		case *expr.Target:
			drops = drops || x.Name == "mangle"
		}
	}
	if !drops {
		return nil, nil
	}
	return found, nil
}

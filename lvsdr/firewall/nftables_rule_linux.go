package firewall

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// nftMark is lvsdr's comment as nft writes it.
var nftMark = userdata.AppendString(nil, userdata.TypeComment, firewallMark)

// What lvsdr's rules end with.
var (
	nftAccept  = &expr.Verdict{Kind: expr.VerdictAccept}
	nftNotrack = &expr.Notrack{}
)

var nftFamilies = map[string]nftables.TableFamily{
	"inet": nftables.TableFamilyINet, "ip": nftables.TableFamilyIPv4, "ip6": nftables.TableFamilyIPv6,
}

// An nftEdit is a transaction on one chain.
type nftEdit struct {
	conn   *nftables.Conn
	table  *nftables.Table
	chain  filter.Chain
	before func(host.Opening) uint64 // the rule to insert before; 0: append
	sets   uint32
}

// nftTransaction makes what edit adds to the transaction, all of it or nothing.
func nftTransaction(c filter.Chain, edit func(*nftEdit) error) error {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(nftSocket))
	if err != nil {
		return err
	}
	defer conn.CloseLasting()
	if err := edit(&nftEdit{conn: conn, table: &nftables.Table{Family: nftFamilies[c.Family], Name: c.Table}, chain: c, before: func(host.Opening) uint64 { return 0 }}); err != nil {
		return err
	}
	return conn.Flush()
}

// nftSocket makes room for a transaction of some ten thousand services, and has
// a reply that never comes be an error.
func nftSocket(c *netlink.Conn) error {
	if err := c.SetWriteBuffer(4 << 20); err != nil {
		return err
	}
	return c.SetDeadline(time.Now().Add(30 * time.Second))
}

// add adds at most six rules whatever the number of openings: each is one
// look-up in a set, of IPv4 or IPv6 addresses, with a port or without one, or of those
// that get what routers say of the size of packets.
func (e *nftEdit) add(openings []host.Opening, verdict expr.Any) error {
	groups, before := map[nftShape][]nftables.SetElement{}, map[nftShape]uint64{}
	for _, o := range openings {
		s := nftShape{v6: !o.VIP.Is4(), anyPort: o.Port == 0, tooBig: o.IsTooBig()}
		groups[s], before[s] = append(groups[s], nftables.SetElement{Key: nftKey(o)}), e.before(o)
	}
	for _, s := range nftShapes {
		if len(groups[s]) == 0 {
			continue
		}
		set, err := e.addSet(s, groups[s])
		if err != nil {
			return err
		}
		rule := &nftables.Rule{
			Table: e.table, Chain: &nftables.Chain{Name: e.chain.Name},
			Position: before[s], UserData: nftMark,
			Exprs: append(s.match(e.table.Family, set), verdict),
		}
		if before[s] == 0 {
			e.conn.AddRule(rule)
		} else {
			e.conn.InsertRule(rule)
		}
	}
	return nil
}

// remove takes rules of the chain away, by their indexes.
func (e *nftEdit) remove(rules []int) error {
	for _, i := range rules {
		rule := &nftables.Rule{Table: e.table, Chain: &nftables.Chain{Name: e.chain.Name}, Handle: e.chain.Rule(i).Handle()}
		if err := e.conn.DelRule(rule); err != nil {
			return err
		}
	}
	return nil
}

// nftElements is how many elements go into one message, whose list of elements
// is one attribute of at most 64 KiB.
const nftElements = 1000

// addSet adds an anonymous set, which belongs to the one rule that refers to it.
func (e *nftEdit) addSet(s nftShape, elements []nftables.SetElement) (*nftables.Set, error) {
	e.sets++
	set := &nftables.Set{
		Table: e.table, ID: e.sets, Name: "__set%d", Anonymous: true, Constant: true,
		KeyType: s.key(), Size: uint32(len(elements)),
	}
	if err := e.conn.AddSet(set, nil); err != nil {
		return nil, err
	}
	fill := *set
	fill.Anonymous = false // the library refuses; the kernel takes elements until a rule refers to the set
	for len(elements) > 0 {
		n := min(len(elements), nftElements)
		if err := e.conn.SetAddElements(&fill, elements[:n]); err != nil {
			return nil, err
		}
		elements = elements[n:]
	}
	return set, nil
}

// An nftShape is what the keys of one set are made of.
type nftShape struct{ v6, anyPort, tooBig bool }

var nftShapes = []nftShape{
	{}, {anyPort: true}, {anyPort: true, tooBig: true},
	{v6: true}, {v6: true, anyPort: true}, {v6: true, anyPort: true, tooBig: true},
}

var nftKeys = map[nftShape]nftables.SetDatatype{
	{}:                        nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService),
	{anyPort: true}:           nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetProto),
	{v6: true}:                nftables.MustConcatSetType(nftables.TypeIP6Addr, nftables.TypeInetProto, nftables.TypeInetService),
	{v6: true, anyPort: true}: nftables.MustConcatSetType(nftables.TypeIP6Addr, nftables.TypeInetProto),
}

func (s nftShape) key() nftables.SetDatatype { return nftKeys[nftShape{s.v6, s.anyPort, false}] }

// match is "ip daddr . meta l4proto . th dport { … }" as nft compiles it, of ICMP behind
// its type and code and without a port, with the check of the family that a table of
// family inet needs. Registers are 16 bytes from 1 on, or 4 bytes from 8 on for the same
// ones.
func (s nftShape) match(family nftables.TableFamily, set *nftables.Set) []expr.Any {
	proto, offset, length, next := byte(nftables.TableFamilyIPv4), uint32(16), uint32(4), uint32(9)
	if s.v6 {
		proto, offset, length, next = byte(nftables.TableFamilyIPv6), 24, 16, 12
	}
	var exprs []expr.Any
	if family == nftables.TableFamilyINet {
		exprs = append(exprs, &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}})
	}
	if s.tooBig {
		exprs = append(exprs, s.icmp()...)
	}
	exprs = append(exprs,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: next})
	if !s.anyPort {
		exprs = append(exprs, &expr.Payload{DestRegister: next + 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2})
	}
	return append(exprs, &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID})
}

// icmp is "icmp type destination-unreachable icmp code frag-needed", or "icmpv6 type
// packet-too-big".
func (s nftShape) icmp() []expr.Any {
	protocol, header := host.ICMP, []byte{3, 4}
	if s.v6 {
		protocol, header = host.ICMPv6, []byte{2}
	}
	exprs := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(protocol)}},
	}
	for i, value := range header {
		exprs = append(exprs,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: uint32(i), Len: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{value}})
	}
	return exprs
}

// nftKey is the opening as an element: address, protocol and, unless it is every
// port, port, each filled up to a multiple of four bytes.
func nftKey(o host.Opening) []byte {
	key := append(o.VIP.AsSlice(), byte(o.Protocol), 0, 0, 0)
	if o.Port == 0 {
		return key
	}
	return append(binary.BigEndian.AppendUint16(key, o.Port), 0, 0)
}

// nftOpenings reads a rule of lvsdr's.
func nftOpenings(r filter.ChainRule) []host.Opening {
	var all []host.Opening
	for _, key := range r.Keys() {
		if o, ok := nftOpening(key); ok {
			all = append(all, o)
		}
	}
	return all
}

// nftOpening is the inverse of nftKey.
func nftOpening(key []byte) (host.Opening, bool) {
	size := 4
	if len(key) >= 20 {
		size = 16
	}
	if len(key) != size+4 && len(key) != size+8 {
		return host.Opening{}, false
	}
	addr, _ := netip.AddrFromSlice(key[:size])
	o := host.Opening{VIP: addr, Protocol: cluster.Protocol(key[size])}
	if len(key) == size+8 {
		o.Port = binary.BigEndian.Uint16(key[size+4:])
	}
	return o, true
}

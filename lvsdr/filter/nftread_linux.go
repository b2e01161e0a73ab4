package filter

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nftState is what nf_tables has in a network namespace.
type nftState struct {
	tables map[tableKey]tableFlags // those that are hooked in
	chains []nftChain
	rules  []nftRule
	sets   map[setKey]*nftSet
}

type tableFlags struct{ used, owned bool }

type tableKey struct {
	family uint8
	name   string
}

type setKey struct {
	tableKey
	set string
}

type nftChain struct {
	table    tableKey
	name     string
	base     bool
	hook     Hook
	priority int32
	kind     string // "filter", "nat", "route"
	drops    bool
}

var nftFamilies = map[uint8]string{unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6", unix.NFPROTO_ARP: "arp"}

var errChanged = errors.New("the rules have changed while they were read")

// readNftables reads all of it at one moment. google/nftables is no help: it
// leaves out expressions that it does not know, and what is left may look like
// a rule for every packet.
func readNftables(ctx context.Context) (*nftState, error) {
	state := &nftState{}
	err := Nftables(ctx, func() error {
		before, err := nftGeneration()
		if err != nil {
			return err
		}
		if state, err = dumpNftables(); err != nil {
			return err
		}
		if after, err := nftGeneration(); err != nil || before != after {
			return errors.Join(errChanged, err)
		}
		return nil
	})
	return state, err
}

func dumpNftables() (*nftState, error) {
	s := &nftState{tables: map[tableKey]tableFlags{}, sets: map[setKey]*nftSet{}}
	for _, d := range []struct {
		message int
		take    func(tableKey, attributes)
	}{
		{unix.NFT_MSG_GETTABLE, s.table}, {unix.NFT_MSG_GETCHAIN, s.chain}, {unix.NFT_MSG_GETRULE, s.rule}, {unix.NFT_MSG_GETSET, s.set},
	} {
		if err := dump(d.message, unix.NFPROTO_UNSPEC, nil, d.take); err != nil {
			return nil, err
		}
	}
	for k, set := range s.sets {
		if err := dumpElements(k, set); err != nil {
			return nil, err
		}
		set.arrange()
	}
	return s, nil
}

// dump asks for all objects of a kind and hands on their attributes; the first is
// always the table's name. Package nl reads 64 KiB at a time: the kernel then hands out
// 32 KiB instead of 4, and looks for its place in the rules, from the first one, an
// eighth as often (netlink_recvmsg in net/netlink/af_netlink.c, nf_tables_dump_rules).
func dump(message int, family uint8, ask []byte, take func(tableKey, attributes)) error {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|message, unix.NLM_F_DUMP)
	request.AddRawData(append([]byte{family, 0, 0, 0}, ask...))
	replies, err := request.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return err
	}
	for _, m := range replies {
		if len(m) < 4 {
			continue
		}
		a, err := parseAttributes(m[4:])
		if err != nil {
			return err
		}
		take(tableKey{m[0], a.text(unix.NFTA_TABLE_NAME)}, a)
	}
	return nil
}

func (s *nftState) table(t tableKey, a attributes) {
	const ownedFlag = 1 << 1 // NFT_TABLE_F_OWNER
	flags := a.number(unix.NFTA_TABLE_FLAGS)
	if nftFamilies[t.family] != "" && flags&unix.NFT_TABLE_F_DORMANT == 0 {
		s.tables[t] = tableFlags{true, flags&ownedFlag != 0}
	}
}

func (s *nftState) chain(t tableKey, a attributes) {
	if !s.tables[t].used {
		return
	}
	c := nftChain{table: t, name: a.text(unix.NFTA_CHAIN_NAME), kind: a.text(unix.NFTA_CHAIN_TYPE)}
	if hook := a.nested(unix.NFTA_CHAIN_HOOK); hook != nil {
		c.base = true
		c.hook = Hook(hook.number(unix.NFTA_HOOK_HOOKNUM))
		c.priority = int32(hook.number(unix.NFTA_HOOK_PRIORITY))
		c.drops = a.has(unix.NFTA_CHAIN_POLICY) && a.number(unix.NFTA_CHAIN_POLICY) == 0
	}
	s.chains = append(s.chains, c)
}

func (s *nftState) rule(t tableKey, a attributes) {
	if !s.tables[t].used {
		return
	}
	r := nftRule{table: t, chain: a.text(unix.NFTA_RULE_CHAIN), comment: comment(a.get(unix.NFTA_RULE_USERDATA)), state: s}
	if h := a.get(unix.NFTA_RULE_HANDLE); len(h) == 8 {
		r.handle = binary.BigEndian.Uint64(h)
	}
	r.expressions = parseExpressions(a.get(unix.NFTA_RULE_EXPRESSIONS))
	s.rules = append(s.rules, r)
}

// Attributes that golang.org/x/sys has not got (include/uapi/linux/netfilter/nf_tables.h).
const (
	setDescConcat      = 2
	setFieldLen        = 1
	setElemKeyEnd      = 10
	setElemExpressions = 11
	setElemCatchAll    = 2
	dynsetExpressions  = 10
	bitwiseOperation   = 6
	objrefType         = 1
)

func (s *nftState) set(t tableKey, a attributes) {
	if !s.tables[t].used {
		return
	}
	flags := a.number(unix.NFTA_SET_FLAGS)
	set := &nftSet{
		name: a.text(unix.NFTA_SET_NAME), anonymous: flags&unix.NFT_SET_ANONYMOUS != 0, isMap: flags&unix.NFT_SET_MAP != 0,
		interval: flags&unix.NFT_SET_INTERVAL != 0, keyLen: int(a.number(unix.NFTA_SET_KEY_LEN)),
	}
	for _, field := range list(a.nested(unix.NFTA_SET_DESC).get(setDescConcat)) {
		if f, err := parseAttributes(field); err == nil {
			set.fields = append(set.fields, int(f.number(setFieldLen)))
		}
	}
	s.sets[setKey{t, set.name}] = set
}

func dumpElements(k setKey, set *nftSet) error {
	ask, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: append([]byte(k.name), 0)},
		{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: append([]byte(k.set), 0)},
	})
	if err != nil {
		return err
	}
	return dump(unix.NFT_MSG_GETSETELEM, k.family, ask, func(_ tableKey, a attributes) {
		for _, e := range list(a.get(unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
			if e, err := parseAttributes(e); err == nil {
				set.add(e)
			}
		}
	})
}

func (set *nftSet) add(a attributes) {
	e := element{key: a.data(unix.NFTA_SET_ELEM_KEY), end: a.data(setElemKeyEnd), value: a.data(unix.NFTA_SET_ELEM_DATA)}
	flags := a.number(unix.NFTA_SET_ELEM_FLAGS)
	e.closes = flags&unix.NFT_SET_ELEM_INTERVAL_END != 0
	if v := a.nested(unix.NFTA_SET_ELEM_DATA).nested(unix.NFTA_DATA_VERDICT); v != nil {
		e.verdict = &verdict{int32(v.number(unix.NFTA_VERDICT_CODE)), v.text(unix.NFTA_VERDICT_CHAIN)}
	}
	if flags&setElemCatchAll != 0 {
		set.catchAll = &e
		return
	}
	set.elements = append(set.elements, e)
}

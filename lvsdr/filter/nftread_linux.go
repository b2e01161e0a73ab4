package filter

import (
	"bytes"
	"context"
	"errors"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nftState is what nf_tables has in a network namespace.
type nftState struct {
	tables map[tableKey]*nftTable // those that are hooked in
	chains []nftChain             // in the kernel's order
	tracks bool                   // a rule brings connection tracking into use
	refers bool                   // a rule refers to an object by its name
	arena  arena
}

type tableKey struct {
	family uint8
	name   string
}

// An nftTable is a table with all that its rules refer to.
type nftTable struct {
	tableKey
	owned  bool
	chains map[string]*chain
	sets   map[string]*nftSet
	objs   map[nftObject]attributes
}

// An nftObject is what has a name of its own kind: a counter, a limit.
type nftObject struct {
	kind uint32
	name string
}

type nftChain struct {
	*chain
	table    *nftTable
	base     bool
	hook     Hook
	priority int32
	kind     string // "filter", "nat", "route"
	drops    bool
	devices  []string // of families netdev and inet, on the ingress or egress hook
}

var nftFamilies = map[uint8]string{unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6", unix.NFPROTO_ARP: "arp", unix.NFPROTO_NETDEV: "netdev"}

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
	d, err := openDump()
	if err != nil {
		return nil, err
	}
	defer d.close()
	s := &nftState{tables: map[tableKey]*nftTable{}}
	for _, of := range []struct {
		message int
		take    func(family uint8, a attributes)
	}{
		{unix.NFT_MSG_GETTABLE, s.table}, {unix.NFT_MSG_GETCHAIN, s.chain}, {unix.NFT_MSG_GETRULE, s.rule()}, {unix.NFT_MSG_GETSET, s.set},
	} {
		if err := d.all(of.message, unix.NFPROTO_UNSPEC, nil, of.take); err != nil {
			return nil, err
		}
	}
	if s.refers {
		if err := d.all(unix.NFT_MSG_GETOBJ, unix.NFPROTO_UNSPEC, nil, s.object); err != nil {
			return nil, err
		}
	}
	for _, t := range s.tables {
		for _, set := range t.sets {
			if err := s.elements(d, t, set); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func (s *nftState) table(family uint8, a attributes) {
	const ownedFlag = 1 << 1 // NFT_TABLE_F_OWNER
	flags := a.number(unix.NFTA_TABLE_FLAGS)
	if nftFamilies[family] != "" && flags&unix.NFT_TABLE_F_DORMANT == 0 {
		key := tableKey{family, a.text(unix.NFTA_TABLE_NAME)}
		s.tables[key] = &nftTable{key, flags&ownedFlag != 0, map[string]*chain{}, map[string]*nftSet{}, map[nftObject]attributes{}}
	}
}

// of is the table of the message, nil when it is none of those hooked in. All messages
// begin with its name.
func (s *nftState) of(family uint8, a attributes) *nftTable {
	return s.tables[tableKey{family, a.text(unix.NFTA_TABLE_NAME)}]
}

func (s *nftState) chain(family uint8, a attributes) {
	t := s.of(family, a)
	if t == nil {
		return
	}
	name := a.text(unix.NFTA_CHAIN_NAME)
	c := nftChain{table: t, kind: a.text(unix.NFTA_CHAIN_TYPE)}
	c.chain = &chain{tool: ByNftables, family: nftFamilies[family], table: t.name, name: name, owned: t.owned}
	if hook := a.nested(unix.NFTA_CHAIN_HOOK); hook != nil {
		c.base = true
		c.hook = Hook(hook.number(unix.NFTA_HOOK_HOOKNUM))
		c.priority = int32(hook.number(unix.NFTA_HOOK_PRIORITY))
		c.onDevices(hook)
		c.drops = a.has(unix.NFTA_CHAIN_POLICY) && a.number(unix.NFTA_CHAIN_POLICY) == 0
	}
	t.chains[name] = c.chain
	s.chains = append(s.chains, c)
}

// onDevices has the chain's hook be that of network devices, where it is.
func (c *nftChain) onDevices(hook attributes) {
	switch {
	case c.table.family == unix.NFPROTO_NETDEV && c.hook == 0, c.table.family == unix.NFPROTO_INET && c.hook == inetIngress:
		c.hook = Ingress
	case c.table.family == unix.NFPROTO_NETDEV:
		c.hook = Egress
	}
	if name := hook.text(unix.NFTA_HOOK_DEV); name != "" {
		c.devices = append(c.devices, name)
	}
	for list := hook.nested(hookDevices); len(list) > 0; {
		_, name, rest, ok := list.cut()
		if !ok {
			break
		}
		list = rest
		c.devices = append(c.devices, string(bytes.TrimRight(name, "\x00")))
	}
}

// object takes those by whose kind packets may be dropped.
func (s *nftState) object(family uint8, a attributes) {
	const name, kind, data = 2, 3, 4 // NFTA_OBJ_*
	if t := s.of(family, a); t != nil {
		t.objs[nftObject{a.number(kind), a.text(name)}] = s.arena.keep(a.nested(data), quotaBytes, unix.NFTA_QUOTA_FLAGS, unix.NFTA_LIMIT_FLAGS, quotaConsumed)
	}
}

// rule takes rules, which come table by table.
func (s *nftState) rule() func(family uint8, a attributes) {
	var t *nftTable
	return func(family uint8, a attributes) {
		if t == nil || t.family != family || t.name != string(a.word(unix.NFTA_RULE_TABLE)) {
			t = s.of(family, a)
		}
		if t == nil {
			return
		}
		c := t.chains[string(a.word(unix.NFTA_RULE_CHAIN))]
		if c == nil {
			return
		}
		r := &nftRule{table: t, attributes: s.arena.keep(a, unix.NFTA_RULE_HANDLE, unix.NFTA_RULE_EXPRESSIONS, unix.NFTA_RULE_USERDATA)}
		s.tracks, s.refers = s.tracks || r.tracks(), s.refers || r.has(unix.NFTA_RULE_EXPRESSIONS) && r.refers()
		c.rules = append(c.rules, r)
	}
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
	objrefName         = 2
	objrefKey          = 3
	objrefSet          = 4
	setObjectType      = 15
	socketRegister     = 2
	hookDevices        = 4
	quotaBytes         = 1
	quotaConsumed      = 4
	numgenModulus      = 2
	numgenOffset       = 4
	hashRegister       = 2
	hashModulus        = 4
	hashOffset         = 6
)

// inetIngress is the number of family inet's ingress hook (NF_INET_INGRESS).
const inetIngress = 5

func (s *nftState) set(family uint8, a attributes) {
	t := s.of(family, a)
	if t == nil {
		return
	}
	flags := a.number(unix.NFTA_SET_FLAGS)
	set := &nftSet{
		name: a.text(unix.NFTA_SET_NAME), anonymous: flags&unix.NFT_SET_ANONYMOUS != 0, isMap: flags&unix.NFT_SET_MAP != 0,
		interval: flags&unix.NFT_SET_INTERVAL != 0, keyLen: int(a.number(unix.NFTA_SET_KEY_LEN)),
		objects: a.number(setObjectType),
	}
	for field := range list(a.nested(unix.NFTA_SET_DESC).get(setDescConcat)) {
		set.fields = append(set.fields, int(field.number(setFieldLen)))
	}
	t.sets[set.name] = set
}

// elements reads those of a set.
func (s *nftState) elements(d *dump, t *nftTable, set *nftSet) error {
	ask, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: append([]byte(t.name), 0)},
		{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: append([]byte(set.name), 0)},
	})
	if err != nil {
		return err
	}
	err = d.all(unix.NFT_MSG_GETSETELEM, t.family, ask, func(_ uint8, a attributes) {
		for e := range list(a.get(unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
			set.add(e, &s.arena)
		}
	})
	set.arrange()
	return err
}

func (s *nftSet) add(a attributes, room *arena) {
	e := element{
		key: room.copy(a.data(unix.NFTA_SET_ELEM_KEY)), end: room.copy(a.data(setElemKeyEnd)), value: room.copy(a.data(unix.NFTA_SET_ELEM_DATA)),
	}
	flags := a.number(unix.NFTA_SET_ELEM_FLAGS)
	e.closes = flags&unix.NFT_SET_ELEM_INTERVAL_END != 0
	if v := a.nested(unix.NFTA_SET_ELEM_DATA).nested(unix.NFTA_DATA_VERDICT); v != nil {
		e.verdict = &verdict{int32(v.number(unix.NFTA_VERDICT_CODE)), v.text(unix.NFTA_VERDICT_CHAIN)}
	}
	if flags&setElemCatchAll != 0 {
		s.catchAll = &e
		return
	}
	s.elements = append(s.elements, e)
}

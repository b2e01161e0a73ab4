package firewall

import (
	"bytes"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/lvsdr/toolkit/lvsdr/filter"
)

// canDrop tells whether the chain may drop a service's packets: by its policy, or
// by a rule in it or in a chain that it jumps to. It does not work out whether
// such a rule matches them: to be wrong here costs a rule that is not needed.
func (v *nftView) canDrop(c nftChain) (bool, error) {
	if drops, ok := v.drops[c]; ok {
		return drops, nil
	}
	raw := v.chains[c]
	if raw == nil {
		return false, nil
	}
	v.drops[c] = false // the kernel has no loops; this is for a view that is torn
	drops := raw.Policy != nil && *raw.Policy == nftables.ChainPolicyDrop
	rules, err := v.read(c)
	if err != nil {
		return false, err
	}
	for _, r := range rules {
		if drops {
			break
		}
		if drops, err = v.ruleDrops(c, r); err != nil {
			return false, err
		}
	}
	v.drops[c] = drops
	return drops, nil
}

// ruleDrops tells whether a rule of the chain may drop a service's packets.
func (v *nftView) ruleDrops(c nftChain, r *nftables.Rule) (bool, error) {
	if nftMarked(r) {
		return false, nil
	}
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Verdict:
			switch e.Kind {
			case expr.VerdictJump, expr.VerdictGoto:
				return v.canDrop(nftChain{c.table, e.Chain})
			case expr.VerdictDrop:
				return !nftSelective(r), nil
			case expr.VerdictQueue:
				return true, nil
			}
		case *expr.Reject:
			return !nftSelective(r), nil
		case *expr.Target:
			return !filter.Passing(e.Name) && !nftSelective(r), nil
		case *expr.Queue, *expr.SynProxy:
			return true, nil
		case *expr.Lookup:
			if e.IsDestRegSet && e.DestRegister == 0 { // a map of verdicts
				return true, nil
			}
		}
	}
	return false, nil
}

// nftSelective tells whether a rule that drops is a ban: it names the sources it
// is against, or takes what is above a limit. Bans are no closed port, and stay
// in force.
func nftSelective(r *nftables.Rule) bool {
	selective := false
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Payload:
			selective = selective || loadsSource(e)
		case *expr.Fib:
			selective = selective || e.FlagSADDR
		case *expr.Limit:
			selective = selective || e.Over
		case *expr.Connlimit:
			selective = selective || e.Flags&expr.NFT_CONNLIMIT_F_INV != 0
		case *expr.Cmp:
			// "ct state invalid" compiles to a mask and "not 0".
			if e.Op == expr.CmpOpNeq && len(bytes.Trim(e.Data, "\x00")) > 0 {
				return false
			}
		case *expr.Range:
			if e.Op == expr.CmpOpNeq {
				return false
			}
		case *expr.Lookup:
			if e.Invert {
				return false
			}
		}
	}
	return selective
}

// loadsSource tells whether the expression loads the packet's source: bytes 12 to
// 15 of an IPv4 header, 8 to 23 of an IPv6 header, 6 to 11 of an Ethernet header.
// A prefix of whole bytes loads no more than these.
func loadsSource(p *expr.Payload) bool {
	if p.OperationType != expr.PayloadLoad {
		return false
	}
	switch p.Base {
	case expr.PayloadBaseNetworkHeader:
		return p.Offset == 12 && p.Len <= 4 || p.Offset == 8 && p.Len >= 2 && p.Len <= 16
	case expr.PayloadBaseLLHeader:
		return p.Offset == 6 && p.Len <= 6
	}
	return false
}

// writtenByIptables tells whether nothing in the chain is foreign to iptables,
// which gives each rule a counter and knows no sets of nftables.
func (v *nftView) writtenByIptables(c nftChain) (bool, error) {
	rules, err := v.read(c)
	if err != nil {
		return false, err
	}
	for _, r := range rules {
		counter := false
		for _, e := range r.Exprs {
			switch e.(type) {
			case *expr.Counter:
				counter = true
			case *expr.Lookup:
				return false, nil
			}
		}
		if !counter {
			return false, nil
		}
	}
	return true, nil
}

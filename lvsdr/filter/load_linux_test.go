package filter_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// Looking must not bring a packet filter into being.
func TestLoadLeavesAlone(t *testing.T) {
	lab.Need(t, lab.Netns)
	b := newBench(t)
	if v := b.load().Trace(tcp(filter.New, filter.SYN)); v.Action != filter.Accept {
		t.Errorf("%+v", v)
	}
	for _, family := range []string{"ip", "ip6"} {
		var tables []string
		err := b.host.Do(func() (err error) { tables, err = filter.LegacyTables(family); return err })
		if err != nil || len(tables) > 0 {
			t.Errorf("%stables has %q: %v", family, tables, err)
		}
	}
}

func TestLoadSeesBothFamilies(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPTables)
	b := newBench(t)
	b.sh("iptables-legacy -A INPUT -p tcp --dport 80 -j REJECT; ip6tables-legacy -P INPUT DROP; iptables-legacy -t mangle -A OUTPUT -p icmp -j DROP")
	r, p := b.load(), tcp(filter.New, filter.SYN)
	if v := r.Trace(p); v.Where() != "iptables-legacy INPUT: -p tcp -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable" || v.Action != filter.Reject {
		t.Errorf("%+v", v)
	}
	p.Dst = local[2]
	if v := r.Trace(p); v.Where() != "ip6tables-legacy INPUT: policy DROP" {
		t.Errorf("%+v", v)
	}
	p = filter.Packet{Hook: filter.Output, Out: "eth0", Dst: local[0], Protocol: 1}
	if v := r.Trace(p); v.Where() != "iptables-legacy -t mangle OUTPUT: -p icmp -j DROP" {
		t.Errorf("%+v", v)
	}
}

// A set of a country's networks is read in a time that a person waits for.
func TestLoadManyElements(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT)
	b := newBench(t)
	var rules strings.Builder
	rules.WriteString("table inet f {\nset bad { type ipv4_addr; flags interval; elements = { ")
	const many = 20000
	for i := range many {
		fmt.Fprintf(&rules, "11.%d.%d.%d/30, ", i>>12, i>>4&255, i&15*16)
	}
	rules.WriteString("10.9.0.0/16 } }\nchain in { type filter hook input priority 0; ip saddr @bad drop; }\n}\n")
	b.feed("nft -f", rules.String())
	started := time.Now()
	r := b.load()
	t.Logf("%d elements read in %v", many, time.Since(started))
	if v := r.Trace(tcp(filter.New, filter.SYN)); v.Action != filter.Unsure || v.Depends != filter.BySource {
		t.Errorf("%+v", v)
	}
	p := tcp(filter.New, filter.SYN)
	p.Src = local[0]
	if v := r.Trace(p); v.Action != filter.Accept {
		t.Errorf("%+v", v)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.host.Do(func() error { _, err := filter.Load(ctx); return err }); err == nil {
		t.Error("no error when the time is up")
	}
}

package filter_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// The rules are read once, and again when they, the interfaces or the namespace are others.
func TestOnce(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT)
	b := newBench(t)
	const web = "nft 'add table inet f; add chain inet f in { type filter hook input priority 0; }; "
	b.sh(web + "add rule inet f in tcp dport 80 drop'")
	ctx := filter.Once(t.Context())
	drops := func(h *lab.Host, in string) (drops bool) {
		t.Helper()
		if err := h.Do(func() error {
			rules, err := filter.Load(ctx)
			if err == nil {
				p := tcp(filter.New, filter.SYN)
				p.In = in
				drops = rules.Trace(p).Drops()
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return drops
	}
	expect := func(what string, got, want bool, reads int) {
		t.Helper()
		if n, _ := filter.Reads(ctx); got != want || n != reads {
			t.Errorf("%s: drops %v, want %v; read %d times, want %d", what, got, want, n, reads)
		}
	}
	for range 3 {
		expect("the same rules", drops(b.host, "eth0"), true, 1)
	}
	b.sh("nft flush chain inet f in; nft add rule inet f in iif lo tcp dport 80 drop")
	expect("other rules", drops(b.host, "eth0"), false, 2)
	expect("another interface", drops(b.host, "lo"), true, 2)
	expect("another namespace", drops(b.Client, "lo"), false, 3)
	expect("and back", drops(b.host, "lo"), true, 4)
	if n, _ := filter.Reads(t.Context()); filter.Once(ctx) != ctx || n != 0 {
		t.Error("a context is not what it was")
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := filter.Load(gone); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// So are those of legacy iptables: again when they are others, not when they have counted.
func TestOnceLegacy(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPTables)
	b := newBench(t)
	ctx := filter.Once(t.Context())
	expect := func(what string, want filter.Action, reads int) {
		t.Helper()
		var v filter.Verdict
		err := b.host.Do(func() error {
			rules, err := filter.Load(ctx)
			if err == nil {
				v = rules.Trace(tcp(filter.New, filter.SYN))
			}
			return err
		})
		if _, n := filter.Reads(ctx); err != nil || v.Action != want || n != reads {
			t.Errorf("%s: %s, want %s; read %d times, want %d; %v", what, v.Action, want, n, reads, err)
		}
	}
	expect("none", filter.Accept, 0)
	b.sh("iptables-legacy -A INPUT -p tcp --dport 80 -j DROP; iptables-legacy -A OUTPUT -j ACCEPT; ip6tables-legacy -A INPUT -m limit --limit 5/min -j DROP")
	for range 3 {
		expect("the same rules", filter.Drop, 1)
	}
	b.sh("ip link set lo up")
	if err := b.host.Do(func() error {
		c, err := net.Dial("udp", "10.10.10.22:9")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("one"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if saved := b.sh("iptables-legacy-save -c"); !strings.Contains(saved, "] -A OUTPUT") || strings.Contains(saved, "[0:0] -A OUTPUT") {
		t.Fatal(saved)
	}
	expect("they have counted", filter.Drop, 1)
	b.sh("iptables-legacy -R INPUT 1 -p tcp --dport 81 -j DROP") // of the same size
	expect("another port", filter.Accept, 2)
	b.sh("iptables-legacy -P INPUT DROP")
	expect("another policy", filter.Drop, 3)
	b.sh("ip6tables-legacy -A INPUT -j ACCEPT")
	expect("of IPv6", filter.Drop, 4)
	b.sh("iptables-legacy -t mangle -A INPUT -j ACCEPT")
	expect("another table", filter.Drop, 5)
	expect("and once more", filter.Drop, 5)
}

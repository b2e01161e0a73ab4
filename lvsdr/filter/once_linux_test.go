package filter_test

import (
	"context"
	"errors"
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
		if got != want || filter.Reads(ctx) != reads {
			t.Errorf("%s: drops %v, want %v; read %d times, want %d", what, got, want, filter.Reads(ctx), reads)
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
	if filter.Once(ctx) != ctx || filter.Reads(t.Context()) != 0 {
		t.Error("a context is not what it was")
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := filter.Load(gone); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

package linux_test

import (
	"errors"
	"net/netip"
	"os/exec"
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// Rules of nft's own and those that arptables writes: what drops, and what gives the
// answer another sender, counts.
func TestARPDropped(t *testing.T) {
	observerNetns(t)
	run := func(script string) {
		t.Helper()
		out, err := exec.Command("sh", "-ec", script).CombinedOutput()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			t.Skipf("%s: %v: %s", script, err, out)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	dropped := func() []netip.Addr {
		t.Helper()
		all, err := linux.Local().Observer.ARPDropped(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := dropped(); len(all) > 0 {
		t.Errorf("without rules: %v", all)
	}
	run(`nft -f - <<E
table arp own {
	chain in {
		type filter hook input priority 0
		arp operation request arp daddr ip 10.10.10.22 drop
		arp saddr ip 10.10.10.25 accept
		arp daddr ip != 10.10.10.26 drop
		arp daddr ip 10.10.10.0/24 accept
	}
	chain out {
		type filter hook output priority 0
		arp saddr ip { 10.10.10.23 } counter drop
		arp saddr ip { 10.10.10.27, 10.10.10.28 } accept
	}
}
E`)
	want := []netip.Addr{netip.MustParseAddr("10.10.10.22"), netip.MustParseAddr("10.10.10.23")}
	if all := dropped(); !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	run("nft delete table arp own; arptables -A INPUT -d 10.10.10.22 -j DROP; arptables -A OUTPUT -s 10.10.10.23 -j mangle --mangle-ip-s 10.10.10.31")
	if all := dropped(); !slices.Equal(all, want) {
		t.Errorf("arptables: got %v, want %v", all, want)
	}
}

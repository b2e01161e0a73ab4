package filter_test

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/firewall"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// What set-up keeps out of connection tracking passes a chain before it that drops
// what is out.
const untrackedDropped = `table inet f {
	chain raw {
		type filter hook prerouting priority -300; policy drop;
		th dport 9 accept
		ct state untracked drop
		tcp dport 80 accept
	}
}`

// After set-up of the ports, packets to the VIP's port pass random rules, but for
// those of senders that a rule bans; a second set-up has nothing to do, and
// teardown leaves the rules as they were.
func TestPacketsPassOpenedPorts(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT)
	b := newBench(t)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	wire := newPair(b)
	ports := step.DirectorPorts(cluster.Config{Services: []cluster.Service{{VIP: local[0], Ports: []cluster.Port{{Number: 80, Protocol: cluster.TCP}}}}})
	opened, passed := 0, 0
	for i := range randomRulesets / 2 {
		text := untrackedDropped
		if i > 0 {
			// To the VIP's port: a rule that writes another one is the host's own matter.
			text = strings.ReplaceAll(randomNft(r), "tcp dport set 443", "continue")
		}
		b.feed("nft flush ruleset; nft -f", text)
		before := b.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'")
		opened += b.apply(ports, step.Present)
		if again := b.apply(ports, step.Present); again != 0 {
			t.Fatalf("%d changes the second time, seed %d\n%s", again, seed, text)
		}
		rules := b.load()
		var sent []filter.Packet
		for _, flags := range []uint8{filter.SYN, filter.ACK, filter.FIN | filter.ACK} {
			wire.port++
			sent = append(sent, filter.Packet{Src: netip.MustParseAddr("10.10.10.100"), Dst: local[0], Protocol: 6, SrcPort: wire.port, DstPort: 80, TCPFlags: flags})
		}
		arrived := wire.send(sent)
		for _, p := range sent {
			if arrived[p.SrcPort] {
				passed++
			} else if !banned(rules, p) {
				t.Fatalf("%+v\ndid not arrive, seed %d\n%s\n%s", p, seed, text, b.sh("nft list ruleset"))
			}
		}
		b.apply(ports, step.Absent)
		if after := b.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'"); after != before {
			t.Fatalf("teardown left\n%s\nof\n%s, seed %d", after, before, seed)
		}
	}
	t.Logf("%d openings, %d packets passed", opened, passed)
	if opened == 0 || passed == 0 {
		t.Error("the rules make no difference")
	}
}

// banned tells whether what drops the packet depends on its sender.
func banned(rules *filter.Ruleset, p filter.Packet) bool {
	p.Src, p.In, p.Length, p.Local = netip.Addr{}, "eth0", 40, local
	p.State = filter.New
	if p.TCPFlags&filter.FIN != 0 {
		p.State = filter.Invalid
	}
	v := rules.Trace(p)
	if v.Action == filter.Accept {
		p = v.Packet
		p.Hook = filter.Input
		v = rules.Trace(p)
	}
	return v.Action == filter.Unsure && v.Depends == filter.BySource
}

// apply makes the step's changes and returns how many there were.
func (b *bench) apply(s step.Step, want step.State) (n int) {
	b.Helper()
	err := b.host.Do(func() error {
		changes, err := s.Plan(context.Background(), &host.Host{Firewalls: firewall.Local(linux.OSFiles{})}, want)
		for _, c := range changes {
			if err == nil {
				err = c.Do(context.Background())
			}
		}
		n = len(changes)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

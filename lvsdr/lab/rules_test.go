//go:build linux

package lab_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// The packet filter's rules are read once: by a doctor's exam, for what they do and for
// what set-up would change of them, and by a plan.
func TestRulesAreReadOnce(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT, lab.IPTables)
	l := newLab(t)
	var rules strings.Builder
	for i := range 100 {
		fmt.Fprintf(&rules, "tcp dport %d drop\n", 1000+i)
	}
	rules.WriteString("tcp dport 80 drop\n")
	for _, role := range []struct {
		of   func(cluster.Config) (lvsdr.Role, error)
		host *lab.Host
	}{{lvsdr.Director, l.Director}, {lvsdr.RealServer, l.RealServers[0]}} {
		sh(t, role.host, "nft -f - <<'E'\ntable inet f {\nchain in {\ntype filter hook input priority 0\n"+rules.String()+"}\n}\nE\niptables-legacy -A INPUT -p tcp --dport 80 -j DROP")
		r, err := role.of(describe("10.10.10.22", 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		e := r.Exam(role.host.LVS())
		e.Passive = true
		ctx := filter.Once(t.Context())
		seen := false
		for _, f := range e.Run(ctx) {
			seen = seen || f.Check == "firewall-in" && f.Severity == doctor.Failure
		}
		if nft, legacy := filter.Reads(ctx); !seen || nft != 1 || legacy != 1 {
			t.Errorf("%s: the rule that drops is seen: %v; nftables' rules were read %d times, legacy iptables' %d", r.Name, seen, nft, legacy)
		}
		ctx = filter.Once(t.Context())
		changes, err := step.RealServerPorts(describe("10.10.10.22", 1, 1)).Plan(ctx, role.host.LVS(), step.Present)
		if nft, legacy := filter.Reads(ctx); err != nil || len(changes) != 2 || nft != 1 || legacy != 1 {
			t.Errorf("%d changes, %v; nftables' rules were read %d times, legacy iptables' %d", len(changes), err, nft, legacy)
		}
	}
}

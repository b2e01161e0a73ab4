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
)

// A doctor's exam reads the packet filter's rules once, for what they do and for what
// set-up would change of them.
func TestRulesAreReadOnce(t *testing.T) {
	lab.Need(t, lab.Netns, lab.NFT)
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
		sh(t, role.host, "nft -f - <<'E'\ntable inet f {\nchain in {\ntype filter hook input priority 0\n"+rules.String()+"}\n}\nE")
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
		if n := filter.Reads(ctx); !seen || n != 1 {
			t.Errorf("%s: the rule that drops is seen: %v; the rules were read %d times", r.Name, seen, n)
		}
	}
}

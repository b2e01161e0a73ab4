package doctor_test

import (
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// A container's port that is published on the RIP alone is no server to be started.
func TestPublishedOnTheRIPAlone(t *testing.T) {
	c, err := cluster.ParseConfig("cluster.yaml", []byte(bootCluster))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.RealServer(c)
	if err != nil {
		t.Fatal(err)
	}
	for destination, mine := range map[string]bool{"10.10.10.31/32": true, "10.10.10.99/32": false} {
		w := lvsdrtest.RealServer()
		if _, err := role.Up(t.Context(), w.Host()); err != nil {
			t.Fatal(err)
		}
		w.SetRules(*filter.ParseIptables("iptables-nft", "*nat\n-A PREROUTING -d "+destination+
			" -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80\nCOMMIT\n"))
		e := role.Exam(w.Host())
		e.Only = []string{"listener"}
		for _, f := range e.Run(t.Context()) {
			if f.Check != "listener" {
				continue
			}
			start := strings.Contains(f.Advice, "Start the server")
			published := strings.Contains(f.What, "10.10.10.31:80 alone") && strings.Contains(f.Advice, "10.10.10.22:80")
			if f.Severity == doctor.OK || published != mine || start == mine {
				t.Errorf("%s: %+v", destination, f)
			}
		}
	}
}

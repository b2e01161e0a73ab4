//go:build linux

package lab_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// engines are those of a director. What follows holds with each.
var engines = []string{cluster.EngineIPVS, cluster.EngineKeepalived}

// on is a cluster kept by an engine, which looks at its real servers every second.
func on(engine string, c cluster.Config) cluster.Config {
	retries := 1
	c.Engine = engine
	for i := range c.Services {
		if engine == cluster.EngineKeepalived {
			c.Services[i].Check = &cluster.Check{Interval: seconds(1), Timeout: seconds(2), Retries: &retries}
		}
	}
	return c
}

// The documentation's cluster.
func mission(engine string) cluster.Config {
	c := describe("10.10.10.22", 1, 1)
	c.Services[0].Persistence = seconds(20)
	c.Timeouts = cluster.Timeouts{TCP: seconds(30), TCPFin: seconds(5), UDP: seconds(60)}
	return on(engine, c)
}

const missionTable = "-A -t 10.10.10.22:80 -s wrr -p 20\n-a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1\n-a -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 1\n"

// With each engine the documentation's cluster is set up, once; what somebody takes out
// of its table by hand comes back with the next set-up, what is somebody's own stays; and
// teardown leaves what was there before.
func TestEngines(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm, lab.Keepalived)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			l := newLab(t)
			serve(t, l.RealServers...)
			sh(t, l.Director, "modprobe -a ip_vs_wrr ip_vs_rr; ipvsadm -A -t 10.10.10.99:80 -s rr; ipvsadm -a -t 10.10.10.99:80 -r 10.10.10.31:80 -g -w 7")
			foreign := sh(t, l.Director, "ipvsadm -S -n")
			before := box{t, l.Director, l.Director.LVS()}.Dump()
			c := mission(engine)
			setUp(t, l, c)
			has := func(when string) {
				t.Helper()
				if got := sh(t, l.Director, "ipvsadm -S -n"); !sameLines(got, missionTable+foreign) {
					t.Errorf("%s the table is\n%s", when, got)
				}
			}
			has("after set-up")
			if got := answers(t, l, "10.10.10.22", 4); len(got) != 1 {
				t.Errorf("one client with persistence is served by %v", got)
			}
			for what, commands := range map[string]string{ // a weight and a scheduler: TestEngineKeepalived of package doctor
				"a real server":             "ipvsadm -d -t 10.10.10.22:80 -r 10.10.10.31:80",
				"the service":               "ipvsadm -D -t 10.10.10.22:80",
				"a real server of nobody's": "ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.39:80 -g",
			} {
				sh(t, l.Director, commands)
				if made := direct(t, l, c); len(made) == 0 {
					t.Errorf("%s was changed by hand, and set-up finds nothing to do", what)
				}
				has("with " + what + " changed by hand and set up again")
			}
			role, err := lvsdr.Director(c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := role.Down(context.Background(), l.Director.LVS()); err != nil {
				t.Fatal(err)
			}
			same(t, before, box{t, l.Director, l.Director.LVS()}.Dump())
		})
	}
}

func same(t *testing.T, before, after string) {
	t.Helper()
	if before != after {
		t.Errorf("after teardown:\n%s", strings.Join(lab.Snapshot(before).Diff(lab.Snapshot(after)), "\n"))
	}
}

// sameLines tells whether two texts have the same lines: a real server that comes back is
// the last of its service.
func sameLines(a, b string) bool {
	return len(lab.Snapshot(a).Diff(lab.Snapshot(b))) == 0 || len(a) == len(b) && func() bool {
		for _, line := range strings.Split(a, "\n") {
			if !strings.Contains(b, line+"\n") && line != "" {
				return false
			}
		}
		return true
	}()
}

// The laws with keepalived too; TestLawsOnTheKernel has the other.
func TestEngineLaws(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm, lab.Keepalived)
	c := mission(cluster.EngineKeepalived)
	b := newBox(t, "").(box)
	lvsdrtest.Case{Role: func() (lvsdr.Role, error) { return lvsdr.Director(c) }, World: func(testing.TB) lvsdrtest.Box { return numberless{b} }, Every: 60}.Check(t)
}

// numberless does not look at the numbers of keepalived's processes.
type numberless struct{ box }

var processNumbers = regexp.MustCompile(`(?m)^.*/run/lvsdr/keepalived\S*\.pid.*\n`)

func (n numberless) Dump() string { return processNumbers.ReplaceAllString(n.box.Dump(), "") }

// With each engine the cluster is changed in every way under load, behind a firewall, and
// nobody notices: neither whoever has a connection nor who makes a new one.
func TestChangesUnderLoad(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Keepalived)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			l := newLab(t)
			serve(t, l.RealServers...)
			for _, h := range append([]*lab.Host{l.Director}, l.RealServers...) {
				closeAll(t, h)
			}
			c := on(engine, describe("10.10.10.22", 1, 1))
			drain := seconds(1)
			c.Drain = &drain
			setUp(t, l, c)
			defer giveBack(t, l, c)
			for _, x := range lab.Changes() {
				x.Make(&c)
				c = on(engine, c)
				underChange(t, l, x, func() { changeAll(t, l, c) })
			}
		})
	}
}

// closeAll has a host let in SSH, ARP and what it has asked for alone.
func closeAll(t *testing.T, h *lab.Host) {
	t.Helper()
	if lab.NFT.Missing() != nil {
		lab.Need(t, lab.IPTables)
		sh(t, h, "iptables-legacy -A INPUT -p tcp --sport 80 -j ACCEPT; iptables-legacy -A INPUT -s 10.10.10.30 -j ACCEPT; iptables-legacy -P INPUT DROP")
		return
	}
	sh(t, h, `nft add table inet filter
nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'
nft add rule inet filter input tcp sport 80 accept; nft add rule inet filter input ip saddr 10.10.10.30 accept`)
}

// changeAll brings all hosts to a configuration: the real servers carry a new VIP before
// the director sends for it, and give one up after it.
func changeAll(t *testing.T, l *lab.Lab, c cluster.Config) {
	t.Helper()
	role, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := lvsdr.RealServer(c)
	if err != nil {
		t.Fatal(err)
	}
	fewer := strings.Count(sh(t, l.RealServers[0], "ip -4 -o addr show dev lo"), "\n") > len(c.VIPs())+1
	if fewer {
		up(t, l.Director, role)
	}
	for _, h := range l.RealServers {
		up(t, h, rs)
	}
	up(t, l.Director, role)
	if again, err := role.Plan(t.Context(), l.Director.LVS(), step.Present); err != nil || len(again) > 0 {
		t.Errorf("afterwards there is still to do: %v, %v", again, err)
	}
}

// leaves is the real server that changes takes out: whoever has a connection to it loses
// it when its time is over. The others must not notice.
const leaves = "dev-3"

// underChange makes a change while connections are kept and new ones made.
func underChange(t *testing.T, l *lab.Lab, x lab.Change, do func()) {
	t.Helper()
	var kept []*keptConnection
	for range 4 {
		kept = append(kept, keep(t, l, "10.10.10.22:80"))
	}
	stop, failed := traffic(t, l)
	begun := time.Now()
	var asking sync.WaitGroup
	done, end := context.WithCancel(context.Background())
	broken := map[int]error{}
	asking.Add(1)
	go func() {
		defer asking.Done()
		for done.Err() == nil {
			for i, k := range kept {
				if k.who == leaves {
					continue
				}
				if err := k.ask(); err != nil && broken[i] == nil {
					broken[i] = err
				}
			}
		}
	}()
	do()
	took := time.Since(begun)
	end()
	asking.Wait()
	n := stop()
	t.Logf("%s: %v, %d new connections, %d failed", x.Name, took.Round(time.Millisecond), n, failed.Load())
	if failed.Load() > 0 && !x.Refuses {
		t.Errorf("%s: %d of %d new connections failed", x.Name, failed.Load(), n)
	}
	for i, err := range broken {
		t.Errorf("%s: kept connection %d: %v", x.Name, i, err)
	}
	for _, k := range kept {
		k.Close()
	}
}

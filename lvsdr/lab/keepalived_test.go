//go:build linux

package lab_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// watchedCluster has two VIPs with two services each, and looks at its real servers
// every second.
func watchedCluster(engine string) cluster.Config {
	retries := 1
	c := cluster.Config{Engine: engine, Services: append(describe("10.10.10.22", 1, 1).Services, describe("fd00:10::22", 1, 1).Services...)}
	drain := seconds(5)
	c.Drain = &drain
	for i := range c.Services {
		c.Services[i].Ports = []cluster.Port{{Number: 80, Protocol: cluster.TCP}, {Number: 53, Protocol: cluster.UDP}}
		if engine == cluster.EngineKeepalived {
			c.Services[i].Check = &cluster.Check{Type: cluster.CheckTCP, Port: 80, Interval: seconds(1), Timeout: seconds(1), Retries: &retries}
		}
	}
	return c
}

func direct(t *testing.T, l *lab.Lab, c cluster.Config) []step.Change {
	t.Helper()
	role, err := lvsdr.Director(c)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	made, err := role.Apply(t.Context(), l.Director.LVS(), step.Present)
	if err != nil {
		t.Fatal(err)
	}
	again, err := role.Plan(t.Context(), l.Director.LVS(), step.Present)
	if err != nil || len(again) > 0 {
		t.Errorf("afterwards there is still to do: %v, %v", again, err)
	}
	t.Logf("%d changes in %v", len(made), time.Since(begun).Round(time.Millisecond))
	return made
}

// giveBack ends what a test has set up: a keepalived would outlive it.
func giveBack(t *testing.T, l *lab.Lab, c cluster.Config) {
	t.Helper()
	role, err := lvsdr.Director(c)
	if err == nil {
		_, err = role.Down(context.Background(), l.Director.LVS())
	}
	if err != nil {
		t.Error(err)
	}
	if running, err := l.Director.LVS().Keepalived.Running(context.Background()); running || err != nil {
		t.Errorf("keepalived runs: %v, %v", running, err)
	}
	if out := sh(t, l.Director, "ipvsadm -S -n; ls /run/lvsdr 2>/dev/null; true"); out != "" {
		t.Errorf("left: %s", out)
	}
}

// A real server that dies is taken out by its check and comes back by it, at both VIPs, at
// one of which it keeps its place with weight 0; when both are dead the sorry server stands
// in.
func TestKeepalivedServes(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm, lab.Keepalived)
	l := newLab(t)
	sorry, err := l.Add(t.Context(), "sorry", netip.MustParsePrefix("10.10.10.40/24"), netip.MustParsePrefix("fd00:10::40/64"))
	if err != nil {
		t.Fatal(err)
	}
	c := watchedCluster(cluster.EngineKeepalived)
	c.Services[0].SorryServer, c.Services[1].SorryServer = netip.MustParseAddr("10.10.10.40"), netip.MustParseAddr("fd00:10::40")
	c.Services[1].Inhibit = true
	serve(t, sorry)
	var pages [2]io.Closer
	open := func() {
		t.Helper()
		for i, h := range l.RealServers {
			if pages[i], err = h.ServeHTTP(":80"); err != nil {
				t.Fatal(err)
			}
		}
	}
	open()
	setUp(t, l, c)
	rs, err := lvsdr.RealServer(c)
	if err != nil {
		t.Fatal(err)
	}
	up(t, sorry, rs)
	defer giveBack(t, l, c)
	both := map[string]int{"dev-2": 2, "dev-3": 2}
	served := func(want map[string]int) {
		t.Helper()
		for _, vip := range []string{"10.10.10.22", "fd00:10::22"} {
			waitFor(t, l, vip, want)
		}
	}
	served(both)
	pages[1].Close()
	served(map[string]int{"dev-2": 4})
	if plan := direct(t, l, c); len(plan) > 0 {
		t.Errorf("while one is out: %v", plan)
	}
	if table := sh(t, l.Director, "ipvsadm -S -n"); strings.Contains(table, "10.10.10.32") || !strings.Contains(table, "-t [fd00:10::22]:80 -r [fd00:10::32]:80 -g -w 0") {
		t.Errorf("while one is out the table is\n%s", table)
	}
	pages[0].Close()
	served(map[string]int{"sorry": 4})
	if plan := direct(t, l, c); len(plan) > 0 {
		t.Errorf("while the sorry server stands in: %v", plan)
	}
	open()
	served(both)
	// Ended by somebody, it is started anew and takes over what it finds, and what it has
	// missed meanwhile is put right.
	kill := func() {
		t.Helper()
		sh(t, l.Director, "kill $(cat /run/lvsdr/keepalived.pid); while [ -e /run/lvsdr/keepalived.pid ]; do sleep 0.1; done")
	}
	kill()
	served(both)
	if made := direct(t, l, c); len(made) != 1 || made[0].Object != "keepalived" {
		t.Errorf("it did not run: %v", made)
	}
	pages[0].Close()
	served(map[string]int{"dev-3": 4})
	kill()
	if pages[0], err = l.RealServers[0].ServeHTTP(":80"); err != nil {
		t.Fatal(err)
	}
	if made := direct(t, l, c); len(made) != 5 {
		t.Errorf("it did not run, and one was out of four services: %v", made)
	}
	served(both)
}

// waitFor makes requests until four in a row go as wanted, and tells how long that took.
func waitFor(t *testing.T, l *lab.Lab, vip string, want map[string]int) {
	t.Helper()
	begun, got := time.Now(), map[string]int{}
	for time.Since(begun) < 30*time.Second {
		got = map[string]int{}
		for range 4 {
			who, err := l.Client.Get(t.Context(), "http://"+netip.AddrPortFrom(netip.MustParseAddr(vip), 80).String()+"/")
			if err != nil {
				who = err.Error()
			}
			got[who]++
		}
		if maps.Equal(got, want) {
			t.Logf("%s: %v after %v", vip, want, time.Since(begun).Round(time.Millisecond))
			return
		}
	}
	t.Fatalf("%s: four requests go %v, want %v; the table is\n%s", vip, got, want, sh(t, l.Director, "ipvsadm -S -n"))
}

// The engine is switched both ways, and the cluster changed under keepalived, while
// connections are kept and new ones made: none is lost.
func TestEngineIsSwitchedUnderTraffic(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm, lab.Keepalived)
	l := newLab(t)
	serve(t, l.RealServers...)
	static, watched := watchedCluster(cluster.EngineIPVS), watchedCluster(cluster.EngineKeepalived)
	setUp(t, l, static)
	defer giveBack(t, l, static)
	var kept []*keptConnection
	for range 20 {
		kept = append(kept, keep(t, l, "10.10.10.22:80"), keep(t, l, "[fd00:10::22]:80"))
	}
	stop, failed := traffic(t, l)
	changed, two := watchedCluster(cluster.EngineKeepalived), 2
	changed.Services[0].RealServers[0].Weight, changed.Services[0].Persistence = &two, seconds(20)
	changed.Services[1].RealServers = append(changed.Services[1].RealServers, cluster.RealServer{Address: netip.MustParseAddr("fd00:10::39")}) // which is not there
	for _, c := range []cluster.Config{watched, changed, static} {
		direct(t, l, c)
		for i, k := range kept {
			if err := k.ask(); err != nil {
				t.Errorf("kept connection %d: %v", i, err)
			}
		}
	}
	if n := stop(); failed.Load() > 0 || n < 20 {
		t.Errorf("%d of %d new connections failed", failed.Load(), n)
	}
}

// A keptConnection asks for page after page.
type keptConnection struct {
	*lab.KeptConnection
	who string // answered last
}

func keep(t *testing.T, l *lab.Lab, addr string) *keptConnection {
	t.Helper()
	conn, err := lab.Keep(t.Context(), l.Client, netip.MustParseAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	k := &keptConnection{KeptConnection: conn}
	if err := k.ask(); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keptConnection) ask() error {
	body, err := k.Ask()
	k.who = strings.TrimSpace(body)
	if err == nil && !strings.HasPrefix(body, "dev-") {
		err = fmt.Errorf("answered %q", body)
	}
	return err
}

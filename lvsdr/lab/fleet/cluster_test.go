//go:build linux

package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// orders are those in which the hosts of the cluster may be switched on.
var orders = [][]string{
	{"dev-1", "dev-2", "dev-3"}, {"dev-2", "dev-3", "dev-1"}, {"dev-3", "dev-1", "dev-2"},
	{"dev-3", "dev-2", "dev-1"}, {"dev-1", "dev-3", "dev-2"}, {"dev-2", "dev-1", "dev-3"},
}

// The whole cluster of examples/cloud-init comes up by cloud-init alone, its hosts
// switched on in any order, and is there again after the power cycle of each and a power
// cut of all. The director is in a guest, whose kernel has IPVS, the others on the kernel
// that runs; their LAN is one. Each run takes another order, in turns of four days (.ci/run), or
// that of LVSDR_ORDER ("dev-3 dev-1 dev-2").
func TestCloudCluster(t *testing.T) {
	lab.Need(t, lab.Fleet, lab.Qemu)
	order := orders[time.Now().Unix()/86400/4%int64(len(orders))]
	if chosen := strings.Fields(os.Getenv("LVSDR_ORDER")); len(chosen) > 0 {
		order = chosen
	}
	t.Log("in the order ", order)
	c := newCloudCluster(t)
	c.inTurn(order, "start")
	c.atOnce("cloud-init")
	c.serves("after cloud-init")
	c.atOnce("doctor")
	for _, name := range order {
		c.inTurn([]string{name}, "reboot")
		c.serves("after a power cycle of " + name)
	}
	c.atOnce("power-cut")
	c.serves("after a power cut of all")
	c.atOnce("doctor")
	c.end()
}

// commands are what a host of the cluster is told, wherever it is.
func commands(t *testing.T) map[string]func(*fleet.Machine) error {
	ctx := t.Context()
	return map[string]func(*fleet.Machine) error{
		"start":      func(m *fleet.Machine) error { return m.Start(ctx) },
		"cloud-init": cloudInitDone(ctx, t),
		"doctor": func(m *fleet.Machine) error {
			_, err := m.Run(ctx, "lvsdr", "doctor")
			return err
		},
		// Who is served waits for the role, not for cloud-init, which takes longer.
		"reboot": func(m *fleet.Machine) error {
			if err := m.Off(ctx); err != nil {
				return err
			}
			return m.Start(ctx)
		},
		"power-cut": func(m *fleet.Machine) error {
			if err := m.PullPlug(ctx); err != nil {
				return err
			}
			return m.On(ctx)
		},
	}
}

// TestCloudDirector is the director of TestCloudCluster and does what it is told through
// its LAN. It runs in the guest that the other test starts.
func TestCloudDirector(t *testing.T) {
	lab.Need(t, lab.Fleet, lab.Guest, lab.IPVS)
	f := newFleet(t, fleet.Debian12)
	must(t, f.Uplink(t.Context(), "eth0"))
	director := seeded(t, f, "dev-1", cloudHosts["dev-1"])
	director.Modules = true
	console, err := f.Client(t.Context(), "console", console)
	must(t, err)
	var listener net.Listener
	must(t, console.Do(func() (err error) {
		listener, err = net.Listen("tcp", ":80")
		return err
	}))
	ended := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/end", func(http.ResponseWriter, *http.Request) { close(ended) })
	for command, do := range commands(t) {
		mux.HandleFunc("/"+command, func(w http.ResponseWriter, _ *http.Request) {
			if err := do(director); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	<-ended
	server.Shutdown(t.Context())
}

// console is who hears, in the guest, what the director is told.
var console = netip.MustParsePrefix("10.10.10.40/24")

// A cloudCluster is that of examples/cloud-init, with two clients.
type cloudCluster struct {
	*testing.T
	fleet    *fleet.Fleet
	real     map[string]*fleet.Machine
	clients  []*fleet.Client
	director *guest
	since    time.Time
}

func newCloudCluster(t *testing.T) *cloudCluster {
	t.Helper()
	f := newFleet(t, fleet.Debian12)
	c := &cloudCluster{T: t, fleet: f, real: map[string]*fleet.Machine{}, since: time.Now()}
	c.join()
	c.join()
	c.director = newGuest(t, f)
	for _, name := range []string{"dev-2", "dev-3"} {
		c.real[name] = seeded(t, f, name, cloudHosts[name])
	}
	for c.director.runs() {
		if err := c.tell("dev-1", "ready"); err == nil {
			break
		}
		time.Sleep(time.Second)
	}
	c.took("the guest")
	return c
}

// A guest runs TestCloudDirector on the fleet's LAN.
type guest struct {
	ended chan struct{}
	err   error        // when it has ended
	said  bytes.Buffer // when it has ended
}

func newGuest(t *testing.T, f *fleet.Fleet) *guest {
	t.Helper()
	bin, err := program()
	must(t, err)
	tap, err := f.Tap(t.Context(), "guest")
	must(t, err)
	defer tap.Close()
	cmd := exec.CommandContext(t.Context(), "umlexec", os.Args[0], "-test.run=^TestCloudDirector$", "-test.v", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), "LVSDR_GUEST_TAP=3", "LVSDR_GUEST_MEM=2G", "LVSDR_GUEST_CPUS=2", "LVSDR_GUEST_TIMEOUT=30m",
		"LVSDR_TEST_REQUIRE=fleet,guest,ipvs", "PATH="+filepath.Dir(bin)+":"+os.Getenv("PATH"))
	cmd.ExtraFiles = []*os.File{tap}
	g := &guest{ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &g.said, &g.said
	must(t, cmd.Start())
	go func() {
		g.err = cmd.Wait()
		close(g.ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-g.ended
		t.Logf("the guest: %v\n%s", g.err, g.said.String())
	})
	return g
}

func (g *guest) runs() bool {
	select {
	case <-g.ended:
		return false
	default:
		return true
	}
}

// tell has a host do something and returns when it is done.
func (c *cloudCluster) tell(name, command string) error {
	if m := c.real[name]; m != nil {
		return commands(c.T)[command](m)
	}
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Minute)
	defer cancel()
	said, err := c.clients[0].Get(ctx, fmt.Sprintf("http://%s/%s", console.Addr(), command))
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// inTurn has the hosts do something one after the other.
func (c *cloudCluster) inTurn(names []string, command string) {
	c.Helper()
	for _, name := range names {
		if err := c.tell(name, command); err != nil {
			c.Fatalf("%s: %s: %v", name, command, err)
		}
		c.took(command + " of " + name)
	}
}

// atOnce has all hosts do something.
func (c *cloudCluster) atOnce(command string) {
	c.Helper()
	ended := make(chan error)
	for name := range cloudHosts {
		go func() {
			if err := c.tell(name, command); err != nil {
				ended <- fmt.Errorf("%s: %s: %w", name, command, err)
				return
			}
			ended <- nil
		}()
	}
	for range cloudHosts {
		if err := <-ended; err != nil {
			c.Error(err)
		}
	}
	if c.Failed() {
		c.FailNow()
	}
	c.took(command + " of all")
}

// serves waits until the clients are served, and by both real servers. A client that
// stays with the server of another one, by persistence, is joined by a further one.
func (c *cloudCluster) serves(when string) {
	c.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Second) {
		by, err := c.ask()
		switch {
		case err == nil && by["dev-2"] && by["dev-3"]:
			c.took("served " + when)
			return
		case time.Now().After(deadline):
			c.Fatalf("%s: served by %v, %v", when, by, err)
		case err == nil && len(c.clients) < 8:
			c.join()
		}
	}
}

// ask has each client ask once, and tells by whom they were served.
func (c *cloudCluster) ask() (by map[string]bool, failed error) {
	by = map[string]bool{}
	for _, client := range c.clients {
		ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
		who, err := client.Get(ctx, web)
		cancel()
		if err != nil {
			failed = fmt.Errorf("%s: %w", client.Name, err)
			continue
		}
		by[who] = true
	}
	return by, failed
}

// join adds a client.
func (c *cloudCluster) join() {
	c.Helper()
	n := len(c.clients)
	client, err := c.fleet.Client(c.Context(), fmt.Sprintf("client-%d", n), netip.MustParsePrefix(fmt.Sprintf("10.10.10.%d/24", 100+n)))
	must(c.T, err)
	c.clients = append(c.clients, client)
}

// took tells how long it is since the last time.
func (c *cloudCluster) took(what string) {
	c.Helper()
	c.Logf("%s: %.0f s", what, time.Since(c.since).Seconds())
	c.since = time.Now()
}

// end fails when the test in the guest did.
func (c *cloudCluster) end() {
	c.Helper()
	must(c.T, c.tell("dev-1", "end"))
	<-c.director.ended
	must(c.T, c.director.err)
	c.took("the end")
}

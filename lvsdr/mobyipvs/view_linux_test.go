package mobyipvs_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"reflect"
	"testing"

	moby "github.com/moby/ipvs"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/mobyipvs"
)

// open is a view of this thread's network namespace.
func open(t testing.TB) *mobyipvs.View {
	t.Helper()
	h, err := moby.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return mobyipvs.New(h)
}

// On a kernel without IPVS reading is empty and writing an error, where moby/ipvs
// itself says that all went well.
func TestWithoutIPVS(t *testing.T) {
	if lab.IPVS.Missing() == nil {
		t.Skip("this kernel has IPVS")
	}
	lab.Need(t, lab.Netns)
	lab.OwnNetns(t)
	v, ctx := open(t), t.Context()
	s := service("10.10.10.22", func(*ipvs.Service) {})
	if all, err := v.Services(ctx, ipvs.Plain); err != nil || len(all) > 0 {
		t.Errorf("Services: %v, %v", all, err)
	}
	if all, err := v.Destinations(ctx, s.ID, ipvs.Plain); err != nil || len(all) > 0 {
		t.Errorf("Destinations: %v, %v", all, err)
	}
	if got, err := v.Timeouts(ctx); err != nil || got != (ipvs.Timeouts{}) {
		t.Errorf("Timeouts: %v, %v", got, err)
	}
	if done, err := v.Apply(ctx, []ipvs.Command{{Op: ipvs.AddService, Service: &s}}); done != 0 || !errors.Is(err, host.ErrNoIPVS) {
		t.Errorf("Apply: %d, %v", done, err)
	}
	if err := v.SetTimeouts(ctx, ipvs.Timeouts{TCP: 1e9}); !errors.Is(err, host.ErrNoIPVS) {
		t.Errorf("SetTimeouts: %v", err)
	}
}

// What the view writes our own client reads alike, and the other way round; refusals
// are told by their command.
func TestAgainstOurClient(t *testing.T) {
	lab.Need(t, lab.IPVS)
	lab.OwnNetns(t, "link set lo up")
	v, ctx := open(t), t.Context()
	c, err := ipvs.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s := service("10.10.10.22", func(s *ipvs.Service) { s.Flags, s.Persistence, s.Netmask = 1, 60e9, 24 })
	at := func(a string, w int32) *ipvs.Destination {
		return &ipvs.Destination{Addr: netip.MustParseAddr(a), Port: 80, Forwarding: ipvs.DirectRoute, Weight: w, UpperThreshold: 9}
	}
	if _, err := v.Destinations(ctx, s.ID, ipvs.Plain); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such service: %v", err)
	}
	done, err := v.Apply(ctx, []ipvs.Command{
		{Op: ipvs.AddService, Service: &s},
		{Op: ipvs.AddDestination, Service: &s, Destination: at("10.10.10.31", 65535)},
		{Op: ipvs.AddDestination, Service: &s, Destination: at("10.10.10.31", 1)}, // there already
		{Op: ipvs.AddDestination, Service: &s, Destination: at("10.10.10.32", 70000)},
		{Op: ipvs.AddDestination, Service: &s, Destination: at("10.10.10.33", 0)},
	})
	var apply *ipvs.ApplyError
	if done != 2 || !errors.As(err, &apply) || len(apply.Refused) != 2 || apply.Refused[1].Index != 3 || !errors.Is(err, fs.ErrExist) {
		t.Errorf("Apply: %d, %v", done, err)
	}
	same(t, ctx, v, c, s.ID)
	if err := c.SetTimeouts(ctx, ipvs.Timeouts{TCP: 30e9, UDP: 70e9}); err != nil {
		t.Fatal(err)
	}
	got, err := v.Timeouts(ctx)
	if want, err2 := c.Timeouts(ctx); err != nil || err2 != nil || got != want {
		t.Errorf("timeouts %v, want %v: %v, %v", got, want, err, err2)
	}
	if done, err := v.Apply(ctx, []ipvs.Command{{Op: ipvs.RemoveService, Service: &s}}); done != 1 || err != nil {
		t.Errorf("remove: %d, %v", done, err)
	}
}

func same(t *testing.T, ctx context.Context, v *mobyipvs.View, c *ipvs.Client, id ipvs.ID) {
	t.Helper()
	got, err := v.Services(ctx, ipvs.Plain)
	want, err2 := c.Services(ctx, ipvs.Plain)
	if err != nil || err2 != nil || len(want) != 1 || !reflect.DeepEqual(got, want) {
		t.Errorf("services %+v, want %+v: %v, %v", got, want, err, err2)
	}
	servers, err := v.Destinations(ctx, id, ipvs.Plain)
	wanted, err2 := c.Destinations(ctx, id, ipvs.Plain)
	if err != nil || err2 != nil || len(wanted) != 2 || !reflect.DeepEqual(servers, wanted) {
		t.Errorf("real servers %+v, want %+v: %v, %v", servers, wanted, err, err2)
	}
}

// A box is a director of a lab of its own whose IPVS is the view.
type box struct {
	tb   testing.TB
	host *lab.Host
	lvs  *host.Host
}

func (b box) Host() *host.Host { return b.lvs }

func (b box) Dump() string {
	s, err := b.host.Snapshot(context.Background())
	if err != nil {
		b.tb.Fatal(err)
	}
	return string(s)
}

// The laws hold with this view of the kernel as with our own.
func TestLaws(t *testing.T) {
	lab.Need(t, lab.Netns, lab.IPVS, lab.Ipvsadm)
	l, err := lab.NewWith(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	out, err := l.Director.Run(context.Background(), "sh", "-c", `set -e; modprobe -a ip_vs_rr ip_vs_wrr
		ipvsadm -A -t 10.10.10.22:80 -s rr -p 60; ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.40 -g -w 7
		ipvsadm -A -u 10.10.10.22:53 -s rr; ipvsadm --set 800 100 200`)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lvs := l.Director.LVS()
	if err := l.Director.Do(func() error { lvs.IPVS = open(t); return nil }); err != nil {
		t.Fatal(err)
	}
	weight := 3
	config := cluster.Config{Timeouts: cluster.Timeouts{TCP: 30e9}, Services: []cluster.Service{{
		VIP: netip.MustParseAddr("10.10.10.22"), Persistence: 20e9,
		RealServers: []cluster.RealServer{{Address: netip.MustParseAddr("10.10.10.31")}, {Address: netip.MustParseAddr("10.10.10.32"), Weight: &weight}},
	}}}
	lvsdrtest.Case{
		Role:  func() (lvsdr.Role, error) { return lvsdr.Director(config) },
		World: func(testing.TB) lvsdrtest.Box { return box{t, l.Director, lvs} },
		Every: 64, // the laws of our own client break off more often; here it is the view that counts
	}.Check(t)
}

package lvsdrtest_test

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// batch is a service with two real servers.
func batch() []ipvs.Command {
	s := &ipvs.Service{ID: ipvs.ID{Addr: netip.MustParseAddr("10.10.10.22"), Port: 80, Protocol: ipvs.TCP}, Scheduler: "wrr", Netmask: 32}
	d := func(rip string) *ipvs.Destination {
		return &ipvs.Destination{Addr: netip.MustParseAddr(rip), Port: 80, Forwarding: ipvs.DirectRoute, Weight: 1}
	}
	return []ipvs.Command{
		{Op: ipvs.AddService, Service: s},
		{Op: ipvs.AddDestination, Service: s, Destination: d("10.10.10.31")},
		{Op: ipvs.AddDestination, Service: s, Destination: d("10.10.10.32")},
	}
}

func TestRecorder(t *testing.T) {
	w := lvsdrtest.Director()
	h := w.Host()
	vip := host.Address{Prefix: netip.MustParsePrefix("10.10.10.22/32"), Link: "eth0", Label: "eth0:0"}
	port := []host.Opening{{VIP: vip.Prefix.Addr(), Protocol: ipvs.TCP, Port: 80}}
	n, err := h.IPVS.Apply(ctx, batch())
	if n != 0 || !errors.Is(err, host.ErrNoIPVS) {
		t.Fatalf("%d, %v", n, err)
	}
	if err := errors.Join(
		h.Modules.Load(ctx, "ip_vs_wrr"),
		h.Sysctl.Set("net/ipv4/vs/sync_threshold", "3 60"),
		h.IPVS.SetTimeouts(ctx, ipvs.Timeouts{TCP: 30e9, TCPFin: 5e9, UDP: 60e9}),
		h.Firewalls[0].Set(ctx, "inet filter input", port),
		h.Links.AddAddress(ctx, vip), h.Links.Announce(ctx, "eth0", vip.Prefix.Addr()),
		h.Routes.AddBlackhole(ctx, vip.Prefix.Addr()), h.Routes.RemoveBlackhole(ctx, vip.Prefix.Addr()),
		h.Files.WriteFile("/run/lvsdr/x", []byte("x\n"), 0o644), h.Files.Symlink("/x", "/run/y"), h.Files.Remove("/run/y"),
		h.Links.RemoveAddress(ctx, vip),
	); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"modprobe ip_vs_wrr", `sysctl -w net.ipv4.vs.sync_threshold="3 60"`, "ipvsadm --set 30 5 60",
		`nftables: open "inet filter input" for { tcp 10.10.10.22:80 }`,
		"ip addr add 10.10.10.22/32 dev eth0 label eth0:0", "arping -U -c 1 -I eth0 10.10.10.22",
		"ip route add blackhole 10.10.10.22 proto 76 metric 1073741824", "ip route del blackhole 10.10.10.22 proto 76 metric 1073741824",
		"cat >/run/lvsdr/x <<'EOF'\nx\nEOF", "ln -s /x /run/y", "rm /run/y", "ip addr del 10.10.10.22/32 dev eth0",
	}
	if got := w.Log(); !slices.Equal(got, want) {
		t.Errorf("log %q\nwant %q", got, want)
	}
	if n := w.Edits(); n != len(want)+3 {
		t.Errorf("%d edits", n)
	}
}

func TestFailAfterInsideABatch(t *testing.T) {
	w := lvsdrtest.Director("modprobe ip_vs_wrr")
	w.FailAfter(2)
	n, err := w.Host().IPVS.Apply(ctx, batch())
	var refused *ipvs.CommandError
	if n != 2 || !errors.Is(err, lvsdrtest.Interrupted) || !errors.As(err, &refused) || refused.Index != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if err := w.Host().Sysctl.Set("net/ipv4/ip_forward", "1"); !errors.Is(err, lvsdrtest.Interrupted) {
		t.Errorf("afterwards: %v", err)
	}
	w.FailAfter(-1)
	if n, err = w.Host().IPVS.Apply(ctx, batch()[2:]); n != 1 || err != nil {
		t.Errorf("healed: %d, %v", n, err)
	}
}

func TestFail(t *testing.T) {
	w := lvsdrtest.Director("modprobe ip_vs_wrr")
	w.Fail("ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31", syscall.EPERM)
	n, err := w.Host().IPVS.Apply(ctx, batch())
	if n != 1 || !errors.Is(err, syscall.EPERM) {
		t.Errorf("%d, %v", n, err)
	}
	if d, err := w.Host().IPVS.Destinations(ctx, batch()[0].Service.ID, ipvs.Plain); len(d) != 1 || err != nil {
		t.Errorf("the kernel carries on behind a refused command: %v, %v", d, err)
	}
	w.Fail("Links.Addresses", syscall.EIO)
	if _, err := w.Host().Links.Addresses(ctx); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	w.Fail("Links.Addresses", nil)
	if _, err := w.Host().Links.Addresses(ctx); err != nil {
		t.Error(err)
	}
}

package step_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/probe"
	"github.com/lvsdr/toolkit/lvsdr/step"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// vipUp brings this thread's host to the role and returns it with its files.
func vipUp(t *testing.T, files vipFiles, role lvsdr.Role) *host.Host {
	t.Helper()
	free := vipBudget(-1)
	h := vipKernel(files, &free)
	if _, err := role.Up(context.Background(), h); err != nil {
		t.Fatal(err)
	}
	return h
}

func vipHas(t *testing.T, want ...string) {
	t.Helper()
	out := lab.IP(t, "addr")
	for _, line := range want {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
}

// The mission's values, as ip(8) shows them.
func TestVIPMission(t *testing.T) {
	director := vipLaw{role: cluster.DirectorRole, config: vipConfig("", "10.10.10.31", "10.10.10.32")}.steps()
	realServer := vipLaw{role: cluster.RealServerRole, config: vipConfig("")}.steps()
	t.Run("director", func(t *testing.T) {
		lab.OwnNetns(t, vipDirectorNet...)
		vipUp(t, vipFiles{}, director)
		vipHas(t, "    inet 10.10.10.30/24 scope global eth0", "    inet 10.10.10.22/32 scope global eth0:0")
	})
	t.Run("real server", func(t *testing.T) {
		lab.OwnNetns(t, vipRealServerNet...)
		vipUp(t, vipFiles{}, realServer)
		vipHas(t, "    inet 10.10.10.31/24 scope global eth0", "    inet 10.10.10.22/32 scope host lo:0")
		if routes := lab.IP(t, "route show type blackhole"); routes != "blackhole 10.10.10.22 proto 76 metric 1073741824 \n" {
			t.Errorf("blackholes: %q", routes)
		}
	})
}

// Neither host ever talks from the VIP, to its LAN or beyond (R17, D3, V1), and
// where the VIP was that source it is not any more.
func TestVIPIsNoSource(t *testing.T) {
	v6 := cluster.Config{Services: []cluster.Service{{VIP: netip.MustParseAddr("fd00::22"), RealServers: []cluster.RealServer{{Address: netip.MustParseAddr("fd00::31")}}}}}
	route6 := "route add default via fd00::1"
	tests := []struct {
		name, role string
		config     cluster.Config
		net        []string
		own        string
		to         []string
	}{
		{"director", cluster.DirectorRole, vipConfig("", "10.10.10.31"), vipDirectorNet, "10.10.10.30", []string{"10.10.10.31", "8.8.8.8"}},
		{"director, VIP as a primary", cluster.DirectorRole, vipConfig("", "10.10.10.31"),
			[]string{"link set lo up", "cable eth0 lan", "addr add 10.10.10.22/24 dev eth0", "addr add 10.10.10.30/24 dev eth0", "route add default via 10.10.10.1"},
			"10.10.10.30", []string{"10.10.10.31", "8.8.8.8"}},
		{"director, IPv6", cluster.DirectorRole, v6, append(slices.Clone(vip6Net), route6), "fd00::30", []string{"fd00::31", "2001:db8::1"}},
		{"real server", cluster.RealServerRole, vipConfig(""), vipRealServerNet, "10.10.10.31", []string{"10.10.10.32", "8.8.8.8"}},
		{"real server, IPv6", cluster.RealServerRole, v6, append(slices.Clone(vip6Net), route6), "fd00::30", []string{"fd00::32", "fd00::23", "2001:db8::1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lab.OwnNetns(t, test.net...)
			h := vipUp(t, vipFiles{}, vipLaw{role: test.role, config: test.config}.steps())
			vipWait(t, vipSettled)
			for _, dst := range test.to {
				r, err := h.Routes.To(context.Background(), netip.MustParseAddr(dst))
				if err != nil || r.Source.String() != test.own || r.Link != "eth0" {
					t.Errorf("to %s: %+v, %v; want source %s", dst, r, err, test.own)
				}
			}
			r, err := h.Routes.To(context.Background(), test.config.VIPs()[0])
			if err != nil || !r.Local {
				t.Errorf("the VIP is not local: %+v, %v", r, err)
			}
		})
	}
}

// An interface without an address, such as a container's, speaks from the RIP, not
// from the VIP that lo has before.
func TestVIPIsNoSourceOfBareLink(t *testing.T) {
	lab.OwnNetns(t, append(slices.Clone(vipRealServerNet), "link add bare type dummy", "link set bare up", "route add 10.0.3.5 dev bare")...)
	h := vipUp(t, vipFiles{}, vipLaw{role: cluster.RealServerRole, config: vipConfig("")}.steps())
	r, err := h.Routes.To(context.Background(), netip.MustParseAddr("10.0.3.5"))
	if err != nil || r.Source.String() != "10.10.10.31" || r.Link != "bare" {
		t.Errorf("%+v, %v; want source 10.10.10.31", r, err)
	}
}

// The VIP follows the configuration, and what was there first comes back last.
func TestVIPReconfigured(t *testing.T) {
	lab.OwnNetns(t, append(slices.Clone(vipDirectorNet), "cable eth1 lan1", "addr add 10.20.0.30/24 dev eth1",
		"addr add 10.10.10.23/24 dev eth0")...)
	files := vipFiles{}
	before := vipState(t, &host.Host{Files: files, Sysctl: vipSysctl{}})
	config := vipConfig("eth0", "10.10.10.31")
	role := func() lvsdr.Role { return vipLaw{role: cluster.DirectorRole, config: config}.steps() }
	vipUp(t, files, role())
	config.Interface = "eth1"
	config.Services = append(config.Services, cluster.Service{VIP: netip.MustParseAddr("10.10.10.23")}) // there as /24
	vipUp(t, files, role())
	vipHas(t, "    inet 10.10.10.22/32 scope global eth1:0", "    inet 10.10.10.23/32 scope global eth1:0")
	config.Interface, config.Services = "eth0", config.Services[1:]
	h := vipUp(t, files, role())
	vipHas(t, "    inet 10.10.10.23/32 scope global eth0:0")
	if out := lab.IP(t, "addr"); strings.Contains(out, "10.10.10.22") {
		t.Errorf("the VIP that left the configuration is still there:\n%s", out)
	}
	config = vipConfig("", "192.0.2.1") // teardown asks no route
	if _, err := role().Down(context.Background(), h); err != nil {
		t.Fatal(err)
	}
	if now := vipState(t, &host.Host{Files: files, Sysctl: vipSysctl{}}); now != before {
		t.Errorf("after teardown:\n%s\nbefore:\n%s", now, before)
	}
}

// A real server without its VIP but with ip_forward=1 sends the VIP's packets back
// to the LAN (R8), unless the blackhole is there.
func TestBlackholeStopsLoop(t *testing.T) {
	for _, vip := range []string{"10.10.10.22", "fd00::22"} {
		for _, blackholed := range []bool{false, true} {
			t.Run(vip+map[bool]string{false: " without", true: " with"}[blackholed], func(t *testing.T) {
				lab.OwnNetns(t, append(slices.Clone(vipRealServerNet), "addr add fd00::31/64 dev eth0 nodad",
					"neigh add "+vip+" lladdr 02:00:00:00:00:30 dev eth0", // the director's
					"neigh add 10.10.10.98 lladdr 02:00:00:00:00:98 dev eth0",
					"neigh add fd00::98 lladdr 02:00:00:00:00:98 dev eth0")...)
				addr, marker := netip.MustParseAddr(vip), "10.10.10.98"
				if addr.Is6() {
					marker = "fd00::98"
				}
				vipWait(t, vipSettled)
				for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
					if err := (vipSysctl{}).Set(key, "1"); err != nil {
						t.Fatal(err)
					}
				}
				if blackholed {
					config := cluster.Config{Services: []cluster.Service{{VIP: addr}}}
					vipUp(t, vipFiles{}, lvsdr.Role{Name: cluster.RealServerRole, Steps: []step.Step{step.RealServerBlackholes(config)}})
				}
				next := vipForwarded(t)
				vipSend(t, addr)
				vipSend(t, netip.MustParseAddr(marker)) // is forwarded in any case, later
				want := map[bool]string{false: vip, true: marker}[blackholed]
				if got := next(); got.String() != want {
					t.Errorf("the first packet forwarded is to %s, want %s", got, want)
				}
			})
		}
	}
}

// vipSend puts a packet to dst from a client, for eth0's MAC address, on the cable.
func vipSend(t *testing.T, dst netip.Addr) {
	t.Helper()
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	lan, err := netlink.LinkByName("lan")
	if err != nil {
		t.Fatal(err)
	}
	frame := append([]byte(eth0.Attrs().HardwareAddr), 2, 0, 0, 0, 0, 0x30)
	if dst.Is4() {
		ip := []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 10, 10, 1}
		ip = append(ip, dst.AsSlice()...)
		sum := uint32(0)
		for i := 0; i < len(ip); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(ip[i:]))
		}
		binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
		frame = append(append(frame, 8, 0), ip...)
	} else {
		frame = append(frame, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64)
		frame = append(frame, netip.MustParseAddr("fd00::1").AsSlice()...)
		frame = append(frame, dst.AsSlice()...)
	}
	frame = append(frame, 0, 9, 0, 9, 0, 8, 0, 0) // UDP without checksum
	if err := probe.Send(lan.Attrs().Index, frame); err != nil {
		t.Fatal(err)
	}
}

// vipForwarded returns a function that waits for the next packet which eth0
// forwarded, and returns where to.
func vipForwarded(t *testing.T) func() netip.Addr {
	t.Helper()
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	lan, err := netlink.LinkByName("lan")
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: lan.Attrs().Index})
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() netip.Addr {
		frame := make([]byte, 2048)
		for {
			n, _, err := unix.Recvfrom(fd, frame, 0)
			if err != nil {
				t.Fatal(err)
			}
			if n < 14+20 {
				continue
			}
			ip, ttl, dst := frame[14:n], 8, [2]int{16, 20}
			if ip[0]>>4 == 6 && n >= 14+40 {
				ttl, dst = 7, [2]int{24, 40}
			}
			if ip[ttl] == 63 { // sent with 64
				addr, _ := netip.AddrFromSlice(ip[dst[0]:dst[1]])
				return addr
			}
		}
	}
}

func TestLinuxLinksErrors(t *testing.T) {
	lab.OwnNetns(t)
	ctx, links := context.Background(), lvsdr.Local().Links
	a := host.Address{Prefix: netip.MustParsePrefix("10.10.10.22/32"), Link: "eth0", Label: "eth0:0"}
	for name, err := range map[string]error{
		"add": links.AddAddress(ctx, a), "remove": links.RemoveAddress(ctx, a),
		"announce": links.Announce(ctx, "eth0", a.Prefix.Addr()), "set up": links.SetUp(ctx, "eth0", true),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", name, err)
		}
	}
	if _, err := (lvsdr.Local().Routes).To(ctx, netip.MustParseAddr("10.10.10.1")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no route: %v", err)
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	if _, err := links.Addresses(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Removing what is not there and adding what is there are no errors.
func TestLinuxLinksIdempotent(t *testing.T) {
	lab.OwnNetns(t, vipDirectorNet...)
	ctx, links, routes := context.Background(), lvsdr.Local().Links, lvsdr.Local().Routes
	lifetime := host.Address{Prefix: netip.MustParsePrefix("10.9.9.9/24"), Link: "eth0", Label: "eth0:3", Lifetime: time.Hour,
		Broadcast: netip.MustParseAddr("10.9.9.255"), Scope: 253, Metric: 7, NoPrefixRoute: true}
	deprecated := host.Address{Prefix: netip.MustParsePrefix("fd00::9/128"), Link: "eth0", NoDAD: true, Deprecated: true}
	for _, a := range []host.Address{lifetime, deprecated} {
		for range 2 {
			if err := links.AddAddress(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		all, err := links.Addresses(ctx)
		if err != nil || !slices.ContainsFunc(all, func(b host.Address) bool { return step.SameAddress(a, b) }) {
			t.Errorf("%+v is not in %+v, %v", a, all, err)
		}
		for range 2 {
			if err := links.RemoveAddress(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := routes.AddBlackhole(ctx, a.Prefix.Addr()); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := routes.Blackholes(ctx); err != nil || !slices.Equal(got, []netip.Addr{a.Prefix.Addr()}) {
			t.Errorf("blackholes %v, %v", got, err)
		}
		for range 2 {
			if err := routes.RemoveBlackhole(ctx, a.Prefix.Addr()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

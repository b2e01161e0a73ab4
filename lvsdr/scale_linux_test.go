package lvsdr_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/probe"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// A crowd is how much of everything the doctor meets.
type crowd struct {
	services, realServers, addresses, neighbours, connections, rules int

	vips bool // each service has its own
}

// crowded is a director's host with all that, set up, on a LAN where every real server
// answers.
func crowded(t *testing.T, role lvsdr.Role, n crowd) *host.Host {
	t.Helper()
	h := lvsdrtest.Director("ip addr del 10.10.10.30/24 dev eth0", "ip addr add 10.10.10.30/16 dev eth0").Host()
	if _, err := role.Apply(t.Context(), h, step.Present); err != nil {
		t.Fatal(err)
	}
	h.Links = manyAddresses{h.Links, n.addresses}
	h.Observer = manySeen{h.Observer, n, &sync.Map{}}
	h.Routes = knownRoutes{h.Routes, &sync.Map{}}
	h.Wire = everybody{h.Wire}
	return h
}

// numbered is the n-th address from the first.
func numbered(first string, n int) netip.Addr {
	b := addr(first).As4()
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(b[:])+uint32(n))))
}

type hostLinks = host.Links

type manyAddresses struct {
	hostLinks
	n int
}

func (l manyAddresses) Addresses(ctx context.Context) ([]host.Address, error) {
	all, err := l.hostLinks.Addresses(ctx)
	for i := range l.n {
		all = append(all, host.Address{Prefix: netip.PrefixFrom(numbered("10.20.0.1", i), 16), Link: "eth0"})
	}
	return all, err
}

type manySeen struct {
	host.Observer
	n      crowd
	routes *sync.Map
}

// The memory's routes look through all addresses, as the kernel's do not.
func (o manySeen) RouteOf(ctx context.Context, q host.RouteQuery) (host.Route, error) {
	return once(o.routes, q, func() (host.Route, error) { return o.Observer.RouteOf(ctx, q) })
}

type knownRoutes struct {
	host.Routes
	known *sync.Map
}

func (r knownRoutes) To(ctx context.Context, dst netip.Addr) (host.Route, error) {
	return once(r.known, dst, func() (host.Route, error) { return r.Routes.To(ctx, dst) })
}

func once(known *sync.Map, key any, look func() (host.Route, error)) (host.Route, error) {
	type answer struct {
		host.Route
		err error
	}
	if a, ok := known.Load(key); ok {
		return a.(answer).Route, a.(answer).err
	}
	r, err := look()
	known.Store(key, answer{r, err})
	return r, err
}

func (o manySeen) Neighbours(context.Context) (all []host.Neighbour, err error) {
	for i := range o.n.neighbours {
		all = append(all, host.Neighbour{Addr: numbered("10.10.20.1", i), Link: "eth0", MAC: macOf(numbered("10.10.20.1", i)), State: "STALE"})
	}
	return all, nil
}

func (o manySeen) Connections(context.Context) (all []ipvs.Connection, err error) {
	for i := range o.n.connections {
		all = append(all, ipvs.Connection{
			Protocol: ipvs.TCP, Client: netip.AddrPortFrom(numbered("10.40.0.1", i), 40000), Virtual: netip.AddrPortFrom(addr("10.10.10.22"), 1000),
			Server: netip.AddrPortFrom(numbered("10.10.20.1", i%max(o.n.realServers, 1)), 1000), State: "ESTABLISHED", Expires: 800 * time.Second,
		})
	}
	return all, nil
}

// Rules are bans of single senders, before a policy that accepts.
func (o manySeen) Rules(context.Context) (*filter.Ruleset, error) {
	var text strings.Builder
	text.WriteString("*filter\n:INPUT ACCEPT [0:0]\n")
	for i := range o.n.rules {
		fmt.Fprintf(&text, "-A INPUT -s %s/32 -j DROP\n", numbered("10.50.0.1", i))
	}
	return filter.ParseIptables("iptables-legacy", text.String()+"COMMIT\n"), nil
}

// macOf is the MAC address of everybody on that LAN.
func macOf(ip netip.Addr) net.HardwareAddr {
	b := ip.As4()
	return append(net.HardwareAddr{2, 1}, b[:]...)
}

// everybody answers: each address on the LAN but a VIP is somebody's, who serves.
type everybody struct{ host.Wire }

func (everybody) Ask(_ context.Context, _ string, questions []probe.Question, _ time.Duration) ([][]probe.Answer, error) {
	all := make([][]probe.Answer, len(questions))
	for i, q := range questions {
		if mac := macOf(q.Target); q.Target != addr("10.10.10.22") && q.Target.Less(addr("10.10.200.1")) {
			all[i] = []probe.Answer{{MAC: mac, From: mac}}
		}
	}
	return all, nil
}

func (everybody) Knock(_ context.Context, _ string, knocks []probe.Knock, _ time.Duration) ([]probe.Reply, error) {
	all := make([]probe.Reply, len(knocks))
	for i, k := range knocks {
		all[i] = probe.Reply{Outcome: probe.Accepted, MAC: k.MAC, From: k.To.Addr(), TTL: 64, MSS: 1460}
	}
	return all, nil
}

func spent(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// examined is the processor time that the doctor takes there, of two looks the lesser,
// since the collector's work falls where it likes.
func (n crowd) examined(t *testing.T, of func(cluster.Config) (lvsdr.Role, error)) time.Duration {
	t.Helper()
	c := many(n.services, n.realServers)
	for i := range c.Services {
		if n.vips {
			c.Services[i].VIP = numbered("10.10.200.1", i)
		}
	}
	role, err := of(c)
	if err != nil {
		t.Fatal(err)
	}
	h := crowded(t, role, n)
	least := time.Hour
	for range 2 {
		before := spent(t)
		findings := role.Doctor(t.Context(), h)
		least = min(least, spent(t)-before)
		for _, f := range findings {
			if f.Severity == doctor.Unknown {
				t.Errorf("%s could not tell: %s", f.Check, f.What)
			}
		}
	}
	return least
}

// The doctor's work grows as what it looks at. Processor time of four times as much is
// held against that of the smaller: four times where it is linear, sixteen where all is
// looked through again for each. What else the machine does is not in it.
func TestDoctorIsLinear(t *testing.T) {
	for name, n := range map[string][2]crowd{
		"VIPs": {{services: 75, vips: true, realServers: 4}, {services: 300, vips: true, realServers: 4}},
		"real servers among addresses": {
			{services: 1, realServers: 250, addresses: 2500, neighbours: 250},
			{services: 1, realServers: 1000, addresses: 10000, neighbours: 1000},
		},
		"connections and addresses": {
			{services: 1, realServers: 4, addresses: 1000, connections: 5000}, {services: 1, realServers: 4, addresses: 4000, connections: 20000},
		},
		"rules": {{services: 4, realServers: 4, rules: 1000}, {services: 4, realServers: 4, rules: 4000}},
	} {
		for role, of := range map[string]func(cluster.Config) (lvsdr.Role, error){"director": lvsdr.Director, "real server": lvsdr.RealServer} {
			t.Run(name+", "+role, func(t *testing.T) {
				for look := 1; ; look++ {
					few, many := n[0].examined(t, of), n[1].examined(t, of)
					t.Logf("%v, of four times as much %v (%.1f times)", few, many, float64(many)/float64(few))
					if many <= 10*few+200*time.Millisecond { // the collector may have taken as much
						return
					}
					if look == 3 {
						t.Fatalf("four times as much takes %v instead of %v", many, few)
					}
				}
			})
		}
	}
}

package ipvs_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

var addr = netip.MustParseAddr

func tcp(a string, port uint16) ipvs.ID {
	return ipvs.ID{Addr: addr(a), Port: port, Protocol: ipvs.TCP}
}

func dr(a string, port uint16, weight int32) ipvs.Destination {
	return ipvs.Destination{Addr: addr(a), Port: port, Forwarding: ipvs.DirectRoute, Weight: weight}
}

type kernelCase struct {
	name    string
	entry   ipvs.Entry
	ipvsadm []string // sorted; -S leaves thresholds out
}

// kernelCases are tables of one service, and what ipvsadm makes of them.
var kernelCases = []kernelCase{
	{"the mission's cluster", ipvs.Entry{
		Service:      ipvs.Service{ID: tcp("10.10.10.22", 80), Scheduler: "wrr", Flags: ipvs.Persistent, Persistence: 20 * time.Second, Netmask: 32},
		Destinations: []ipvs.Destination{dr("10.10.10.31", 80, 1), dr("10.10.10.32", 80, 1)},
	}, []string{
		"-A -t 10.10.10.22:80 -s wrr -p 20",
		"-a -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 1",
		"-a -t 10.10.10.22:80 -r 10.10.10.32:80 -g -w 1",
	}},
	{"IPv6", ipvs.Entry{
		Service:      ipvs.Service{ID: tcp("fd00::22", 80), Scheduler: "wlc", Netmask: 128},
		Destinations: []ipvs.Destination{dr("fd00::31", 80, 1), dr("fd00::32", 80, 3)},
	}, []string{
		"-A -t [fd00::22]:80 -s wlc",
		"-a -t [fd00::22]:80 -r [fd00::31]:80 -g -w 1",
		"-a -t [fd00::22]:80 -r [fd00::32]:80 -g -w 3",
	}},
	{"persistence by network", ipvs.Entry{Service: ipvs.Service{ID: tcp("10.0.0.1", 0), Scheduler: "rr",
		Flags: ipvs.Persistent, Persistence: 300 * time.Second, Netmask: 24}},
		[]string{"-A -t 10.0.0.1:0 -s rr -p 300 -M 255.255.255.0"}},
	{"persistence by IPv6 prefix", ipvs.Entry{Service: ipvs.Service{ID: tcp("fd00::1", 0), Scheduler: "rr",
		Flags: ipvs.Persistent, Persistence: 31 * 24 * time.Hour, Netmask: 64}},
		[]string{"-A -t [fd00::1]:0 -s rr -p 2678400 -M 64"}},
	{"UDP, one packet", ipvs.Entry{
		Service: ipvs.Service{ID: ipvs.ID{Addr: addr("10.0.0.1"), Port: 53, Protocol: ipvs.UDP}, Scheduler: "rr", Flags: ipvs.OnePacket, Netmask: 32}},
		[]string{"-A -u 10.0.0.1:53 -s rr -o"}},
	{"SCTP", ipvs.Entry{
		Service: ipvs.Service{ID: ipvs.ID{Addr: addr("10.0.0.1"), Port: 2905, Protocol: ipvs.SCTP}, Scheduler: "lc", Netmask: 32}},
		[]string{"-A --sctp-service 10.0.0.1:2905 -s lc"}},
	{"firewall mark", ipvs.Entry{
		Service:      ipvs.Service{ID: ipvs.ID{Addr: addr("0.0.0.0"), FWMark: 1<<31 - 1}, Scheduler: "rr", Netmask: 32},
		Destinations: []ipvs.Destination{dr("10.0.0.2", 0, 1)},
	}, []string{"-A -f 2147483647 -s rr", "-a -f 2147483647 -r 10.0.0.2:0 -g -w 1"}},
	{"firewall mark for IPv6", ipvs.Entry{
		Service:      ipvs.Service{ID: ipvs.ID{Addr: addr("::"), FWMark: 7}, Scheduler: "rr", Netmask: 128},
		Destinations: []ipvs.Destination{dr("fd00::2", 0, 1)},
	}, []string{"-A -f 7 -6 -s rr", "-a -f 7 -6 -r [fd00::2]:0 -g -w 1"}},
	{"scheduler flags", ipvs.Entry{Service: ipvs.Service{ID: tcp("10.0.0.1", 80), Scheduler: "mh", Flags: ipvs.Sched1 | ipvs.Sched2, Netmask: 32}},
		[]string{"-A -t 10.0.0.1:80 -s mh -b mh-fallback,mh-port"}},
	{"persistence engine", ipvs.Entry{
		Service: ipvs.Service{ID: ipvs.ID{Addr: addr("10.0.0.1"), Port: 5060, Protocol: ipvs.UDP}, Scheduler: "rr", PE: "sip",
			Flags: ipvs.Persistent, Persistence: time.Second, Netmask: 32}},
		[]string{"-A -u 10.0.0.1:5060 -s rr -p 1 --pe sip"}},
	{"every forwarding method, weight and threshold", ipvs.Entry{
		Service: ipvs.Service{ID: tcp("10.0.0.1", 80), Scheduler: "wrr", Netmask: 32},
		Destinations: []ipvs.Destination{
			{Addr: addr("10.0.0.2"), Port: 8080, Forwarding: ipvs.Masquerade, Weight: 0},
			{Addr: addr("10.0.0.3"), Port: 80, Forwarding: ipvs.Tunnel, Weight: 70000},
			{Addr: addr("10.0.0.4"), Port: 80, Forwarding: ipvs.DirectRoute, Weight: 65535, UpperThreshold: 100000, LowerThreshold: 70000},
			{Addr: addr("fd00::2"), Port: 80, Forwarding: ipvs.Tunnel, Weight: 2},
		},
	}, []string{
		"-A -t 10.0.0.1:80 -s wrr",
		"-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m -w 0",
		"-a -t 10.0.0.1:80 -r 10.0.0.3:80 -i -w 70000 --tun-type ipip",
		"-a -t 10.0.0.1:80 -r 10.0.0.4:80 -g -w 65535",
		"-a -t 10.0.0.1:80 -r [fd00::2]:80 -i -w 2 --tun-type ipip",
	}},
}

func init() {
	for _, s := range schedulerModules {
		kernelCases = append(kernelCases, kernelCase{"scheduler " + s, ipvs.Entry{
			Service:      ipvs.Service{ID: tcp("10.0.0.1", 80), Scheduler: s, Netmask: 32},
			Destinations: []ipvs.Destination{dr("10.0.0.2", 80, 1)},
		}, []string{"-A -t 10.0.0.1:80 -s " + s, "-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 1"}})
	}
}

// adding is what adds an entry to the table.
func adding(e ipvs.Entry) []ipvs.Command {
	list := []ipvs.Command{{Op: ipvs.AddService, Service: &e.Service}}
	for i := range e.Destinations {
		list = append(list, ipvs.Command{Op: ipvs.AddDestination, Service: &e.Service, Destination: &e.Destinations[i]})
	}
	return list
}

func TestKernelKeepsWhatWasWritten(t *testing.T) {
	c := guest(t)
	for _, test := range kernelCases {
		t.Logf("%s", test.name)
		apply(t, c, adding(test.entry)...)
		if got := table(t, c); len(got) != 1 || !sameEntry(got[0], test.entry) {
			t.Errorf("%s:\nread  %+v\nwrote %+v", test.name, got, test.entry)
		}
		if got := ipvsadm(t); !slices.Equal(got, test.ipvsadm) {
			t.Errorf("%s:\nipvsadm says %q\nwant         %q", test.name, got, test.ipvsadm)
		}
		apply(t, c, ipvs.Command{Op: ipvs.RemoveService, Service: &ipvs.Service{ID: test.entry.ID}})
		if got := table(t, c); len(got) != 0 {
			t.Errorf("%s: left %+v", test.name, got)
		}
	}
}

func sameEntry(a, b ipvs.Entry) bool {
	return a.Service == b.Service && slices.Equal(a.Destinations, b.Destinations)
}

// TestKernelDefaults: what a program leaves out means what it should.
func TestKernelDefaults(t *testing.T) {
	c := guest(t)
	service := ipvs.Service{ID: tcp("10.0.0.1", 80), Scheduler: "rr", Persistence: 5 * time.Second}
	service6 := ipvs.Service{ID: tcp("fd00::1", 80), Scheduler: "rr"}
	apply(t, c, ipvs.Command{Op: ipvs.AddService, Service: &service}, ipvs.Command{Op: ipvs.AddService, Service: &service6})
	got := table(t, c)
	service.Netmask, service.Flags, service6.Netmask = 32, ipvs.Persistent, 128
	if len(got) != 2 || got[0].Service != service || got[1].Service != service6 {
		t.Errorf("got %+v", got)
	}
}

// TestKernelChangesInPlace: a change is exactly what was asked, and flags, the
// persistence engine and persistence can be taken away again.
func TestKernelChangesInPlace(t *testing.T) {
	c := guest(t)
	entry := kernelCases[0].entry
	apply(t, c, adding(entry)...)
	service := entry.Service
	service.Scheduler, service.Flags, service.PE, service.Persistence = "sh", ipvs.Persistent|ipvs.Sched1, "", time.Second
	d := entry.Destinations[0]
	d.Weight, d.UpperThreshold, d.LowerThreshold = 0, 10, 5
	set := func() {
		apply(t, c, ipvs.Command{Op: ipvs.SetService, Service: &service},
			ipvs.Command{Op: ipvs.SetDestination, Service: &service, Destination: &d})
		got := table(t, c)
		if len(got) != 1 || got[0].Service != service || got[0].Destinations[0] != d || got[0].Destinations[1] != entry.Destinations[1] {
			t.Errorf("got %+v", got)
		}
	}
	set()
	service.Flags, service.Persistence = 0, 0
	d.Weight, d.UpperThreshold, d.LowerThreshold = 7, 0, 0
	set()
	apply(t, c, ipvs.Command{Op: ipvs.RemoveDestination, Service: &service, Destination: &d})
	if got, err := c.Destinations(t.Context(), service.ID, ipvs.WithStats); err != nil || len(got) != 1 || got[0].Addr != entry.Destinations[1].Addr {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestKernelErrors: each refusal is the error it is documented to be.
func TestKernelErrors(t *testing.T) {
	c := guest(t)
	there := ipvs.Service{ID: tcp("10.0.0.1", 80), Scheduler: "rr"}
	absent := ipvs.Service{ID: tcp("10.0.0.1", 81), Scheduler: "rr"}
	unknown := ipvs.Service{ID: tcp("10.0.0.1", 82), Scheduler: "nosuch"}
	d, other := dr("10.0.0.2", 80, 1), dr("10.0.0.3", 80, 1)
	negative, crossed, multicast, mixed := dr("10.0.0.4", 80, -1), dr("10.0.0.4", 80, 1), dr("224.0.0.1", 80, 1), dr("fd00::2", 80, 1)
	crossed.UpperThreshold, crossed.LowerThreshold = 1, 2
	apply(t, c, ipvs.Command{Op: ipvs.AddService, Service: &there}, ipvs.Command{Op: ipvs.AddDestination, Service: &there, Destination: &d})
	before := table(t, c)
	for _, test := range []struct {
		name    string
		command ipvs.Command
		errno   syscall.Errno
		is      error
	}{
		{"service exists", ipvs.Command{Op: ipvs.AddService, Service: &there}, syscall.EEXIST, fs.ErrExist},
		{"service absent", ipvs.Command{Op: ipvs.SetService, Service: &absent}, syscall.ESRCH, fs.ErrNotExist},
		{"service absent", ipvs.Command{Op: ipvs.RemoveService, Service: &absent}, syscall.ESRCH, fs.ErrNotExist},
		{"scheduler unknown", ipvs.Command{Op: ipvs.AddService, Service: &unknown}, syscall.ENOENT, fs.ErrNotExist},
		{"real server exists", ipvs.Command{Op: ipvs.AddDestination, Service: &there, Destination: &d}, syscall.EEXIST, fs.ErrExist},
		{"real server absent", ipvs.Command{Op: ipvs.SetDestination, Service: &there, Destination: &other}, syscall.ENOENT, fs.ErrNotExist},
		{"real server absent", ipvs.Command{Op: ipvs.RemoveDestination, Service: &there, Destination: &other}, syscall.ENOENT, fs.ErrNotExist},
		{"its service absent", ipvs.Command{Op: ipvs.AddDestination, Service: &absent, Destination: &other}, syscall.ESRCH, fs.ErrNotExist},
		{"weight", ipvs.Command{Op: ipvs.AddDestination, Service: &there, Destination: &negative}, syscall.ERANGE, nil},
		{"thresholds", ipvs.Command{Op: ipvs.AddDestination, Service: &there, Destination: &crossed}, syscall.ERANGE, nil},
		{"multicast", ipvs.Command{Op: ipvs.AddDestination, Service: &there, Destination: &multicast}, syscall.EINVAL, nil},
		{"mixed families", ipvs.Command{Op: ipvs.AddDestination, Service: &there, Destination: &mixed}, syscall.EINVAL, nil},
	} {
		done, err := c.Apply(t.Context(), []ipvs.Command{test.command})
		var refused *ipvs.CommandError
		if done != 0 || !errors.As(err, &refused) || refused.Index != 0 || !errors.Is(err, test.errno) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %d, %v", test.name, done, err)
		}
		t.Log(err)
	}
	if after := table(t, c); !reflect.DeepEqual(after, before) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	if _, err := c.Destinations(t.Context(), absent.ID, ipvs.Plain); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("real servers of no service: %v", err)
	}
	apply(t, c, ipvs.Command{Op: ipvs.AddService, Service: &absent})
	if got, err := c.Destinations(t.Context(), absent.ID, ipvs.Plain); err != nil || len(got) != 0 {
		t.Errorf("a service without real servers: %v, %v", got, err)
	}
}

// ports returns n additions of services that differ by port, from 1.
func ports(n int) []ipvs.Command {
	list := make([]ipvs.Command, n)
	for i := range list {
		list[i] = ipvs.Command{Op: ipvs.AddService, Service: &ipvs.Service{ID: tcp("10.0.0.1", uint16(i+1)), Scheduler: "rr"}}
	}
	return list
}

// TestKernelBatch: of several batches, exactly the commands that were not told
// as refused are in the table.
func TestKernelBatch(t *testing.T) {
	c := guest(t)
	const n = 3*ipvs.BatchSize + 5
	list := ports(n)
	want := []int{0, 1, 63, ipvs.BatchSize - 1, ipvs.BatchSize, 2*ipvs.BatchSize + 1, n - 2, n - 1}
	for k, i := range want {
		if k%2 == 0 {
			list[i].Op = ipvs.SetService // the kernel refuses: there is none
		} else {
			list[i].Service.Scheduler = "" // we do
		}
	}
	done, err := c.Apply(t.Context(), list)
	var all *ipvs.ApplyError
	if !errors.As(err, &all) || done != want[0] || all.Attempted != n || all.Err != nil {
		t.Fatalf("%d, %v", done, err)
	}
	var refused []int
	for _, r := range all.Refused {
		refused = append(refused, r.Index)
	}
	if !slices.Equal(refused, want) {
		t.Errorf("refused %v, want %v", refused, want)
	}
	got, err := c.Services(t.Context(), ipvs.Plain)
	if err != nil || len(got) != n-len(want) {
		t.Fatalf("%d services, %v", len(got), err)
	}
	for _, s := range got {
		if slices.Contains(want, int(s.Port)-1) {
			t.Errorf("%v is there though it was refused", s)
		}
	}
}

// TestKernelRefusesAll: a batch whose every command is refused loses no answer.
func TestKernelRefusesAll(t *testing.T) {
	c := guest(t)
	list := ports(20 * ipvs.BatchSize)
	for i := range list {
		list[i].Op = ipvs.RemoveService
	}
	done, err := c.Apply(t.Context(), list)
	var all *ipvs.ApplyError
	if !errors.As(err, &all) || done != 0 || len(all.Refused) != len(list) || all.Err != nil {
		t.Errorf("%d, %v", done, err)
	}
}

// TestKernelLargeTable: dumps that take many pieces are complete and in order.
func TestKernelLargeTable(t *testing.T) {
	c := guest(t)
	list := ports(300)
	for i := range 3000 {
		d := dr("10.1.0.0", 80, 1)
		d.Addr = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		list = append(list, ipvs.Command{Op: ipvs.AddDestination, Service: list[7].Service, Destination: &d})
	}
	apply(t, c, list...)
	got := table(t, c)
	if len(got) != 300 || len(got[7].Destinations) != 3000 {
		t.Fatalf("%d services, %d real servers", len(got), len(got[7].Destinations))
	}
	for i, e := range got {
		if e.Port != uint16(i+1) {
			t.Fatalf("service %d is %v", i, e.ID)
		}
	}
	for i, d := range got[7].Destinations {
		if d.Addr != list[300+i].Destination.Addr {
			t.Fatalf("real server %d is %v", i, d.Addr)
		}
	}
}

func TestKernelTimeoutsAndInfo(t *testing.T) {
	c := guest(t)
	before, err := c.Timeouts(t.Context())
	if want := (ipvs.Timeouts{TCP: 900 * time.Second, TCPFin: 120 * time.Second, UDP: 300 * time.Second}); err != nil || before != want {
		t.Errorf("got %v, %v", before, err)
	}
	for _, test := range []struct{ set, want ipvs.Timeouts }{
		{ipvs.Timeouts{TCP: 30 * time.Second, TCPFin: 5 * time.Second, UDP: 60 * time.Second},
			ipvs.Timeouts{TCP: 30 * time.Second, TCPFin: 5 * time.Second, UDP: 60 * time.Second}},
		{ipvs.Timeouts{UDP: 61 * time.Second}, ipvs.Timeouts{TCP: 30 * time.Second, TCPFin: 5 * time.Second, UDP: 61 * time.Second}},
	} {
		if err := c.SetTimeouts(t.Context(), test.set); err != nil {
			t.Error(err)
		}
		if got, err := c.Timeouts(t.Context()); err != nil || got != test.want {
			t.Errorf("set %v, got %v, %v", test.set, got, err)
		}
	}
	for _, bad := range []time.Duration{-time.Second, time.Millisecond, math.MaxInt32 * time.Second} {
		if err := c.SetTimeouts(t.Context(), ipvs.Timeouts{TCP: bad}); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if info, err := c.Info(t.Context()); err != nil || info.Version != [3]uint8{1, 2, 1} || info.ConnTabSize == 0 {
		t.Errorf("got %+v, %v", info, err)
	}
}

// TestKernelWithoutRight: without CAP_NET_ADMIN everything is fs.ErrPermission.
func TestKernelWithoutRight(t *testing.T) {
	guest(t)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &data[0]); err != nil { // this thread's, which ends with the test
		t.Fatal(err)
	}
	c, err := ipvs.Open() // the right is the opener's
	if err != nil {
		t.Fatal(err)
	}
	_, errServices := c.Services(t.Context(), ipvs.Plain)
	_, errTimeouts := c.Timeouts(t.Context())
	_, errApply := c.Apply(t.Context(), ports(1))
	for _, err := range []error{errServices, errTimeouts, errApply, c.SetTimeouts(t.Context(), ipvs.Timeouts{TCP: time.Second})} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %v", err)
		}
	}
}

func TestKernelContext(t *testing.T) {
	c := guest(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errServices := c.Services(ctx, ipvs.Plain)
	done, errApply := c.Apply(ctx, ports(1))
	if !errors.Is(errServices, context.Canceled) || !errors.Is(errApply, context.Canceled) || done != 0 {
		t.Errorf("%v, %v, %d", errServices, errApply, done)
	}
	if got := table(t, c); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestKernelGoroutines: several goroutines on one client, changing and reading.
func TestKernelGoroutines(t *testing.T) {
	c := guest(t)
	var group sync.WaitGroup
	for g := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			s := ipvs.Service{ID: tcp("10.0.0.1", uint16(g+1)), Scheduler: "rr"}
			d := dr("10.0.0.2", 80, 1)
			for range 50 {
				if _, err := c.Apply(t.Context(), []ipvs.Command{{Op: ipvs.AddService, Service: &s}, {Op: ipvs.AddDestination, Service: &s, Destination: &d}}); err != nil {
					t.Error(err)
				}
				if got, err := c.Destinations(t.Context(), s.ID, ipvs.Plain); err != nil || len(got) != 1 || got[0] != d {
					t.Errorf("got %v, %v", got, err)
				}
				if _, err := c.Table(t.Context(), ipvs.WithStats); err != nil {
					t.Error(err)
				}
				if _, err := c.Apply(t.Context(), []ipvs.Command{{Op: ipvs.RemoveService, Service: &s}}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
}

// TestKernelNamespace: a client keeps to the namespace it was opened in.
func TestKernelNamespace(t *testing.T) {
	first := guest(t)
	second := guest(t)
	apply(t, first, ports(2)...)
	apply(t, second, ports(1)...)
	if a, b := len(table(t, first)), len(table(t, second)); a != 2 || b != 1 {
		t.Errorf("%d and %d services", a, b)
	}
}

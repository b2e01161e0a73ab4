package mobyipvs_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	moby "github.com/moby/ipvs"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/mobyipvs"
)

func service(addr string, change func(*ipvs.Service)) ipvs.Service {
	a := netip.MustParseAddr(addr)
	s := ipvs.Service{ID: ipvs.ID{Addr: a, Port: 80, Protocol: ipvs.TCP}, Scheduler: "wrr", Netmask: a.BitLen()}
	change(&s)
	return s
}

func TestServiceThereAndBack(t *testing.T) {
	for name, s := range map[string]ipvs.Service{
		"plain":      service("10.10.10.22", func(*ipvs.Service) {}),
		"IPv6":       service("fd00:10::22", func(*ipvs.Service) {}),
		"netmask":    service("10.10.10.22", func(s *ipvs.Service) { s.Flags, s.Persistence, s.Netmask = 1, time.Minute, 20 }),
		"prefix":     service("fd00:10::22", func(s *ipvs.Service) { s.Flags, s.Persistence, s.Netmask = 1, time.Minute, 64 }),
		"flags":      service("10.10.10.22", func(s *ipvs.Service) { s.Flags = ipvs.OnePacket | ipvs.Sched2 }),
		"mark":       service("0.0.0.0", func(s *ipvs.Service) { s.ID = ipvs.ID{Addr: s.Addr, FWMark: 7} }),
		"mark, IPv6": service("::", func(s *ipvs.Service) { s.ID = ipvs.ID{Addr: s.Addr, FWMark: 7} }),
	} {
		m, err := mobyipvs.ToService(s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m.Flags |= 2 // the kernel's own
		back, err := mobyipvs.FromService(m)
		if back.Stats != nil && *back.Stats == (ipvs.Stats{}) {
			back.Stats = nil
		}
		if err != nil || back != s {
			t.Errorf("%s: %+v, %v\nwant %+v", name, back, err, s)
		}
	}
}

// Nothing that would mean something else to the kernel, or could not be read back, is
// converted.
func TestRefused(t *testing.T) {
	for name, s := range map[string]ipvs.Service{
		"persistence engine": service("10.10.10.22", func(s *ipvs.Service) { s.PE = "sip" }),
		"no address":         service("10.10.10.22", func(s *ipvs.Service) { s.Addr = netip.Addr{} }),
		"half a second":      service("10.10.10.22", func(s *ipvs.Service) { s.Persistence = time.Second / 2 }),
		"netmask":            service("10.10.10.22", func(s *ipvs.Service) { s.Netmask = 33 }),
		"no scheduler":       service("10.10.10.22", func(s *ipvs.Service) { s.Scheduler = "" }),
	} {
		if m, err := mobyipvs.ToService(s); !refused(err) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	vip := netip.MustParseAddr("10.10.10.22")
	for name, d := range map[string]ipvs.Destination{
		"no address": {}, "IPv6": {Addr: netip.MustParseAddr("fd00:10::31")},
		"weight": {Addr: vip, Weight: 70000}, "method": {Addr: vip, Forwarding: 9},
	} {
		if m, err := mobyipvs.ToDestination(d, vip); !refused(err) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func refused(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}

// A netmask of 0 would make all clients one.
func TestNetmask(t *testing.T) {
	m, err := mobyipvs.ToService(service("10.10.10.22", func(s *ipvs.Service) { s.Netmask = 0 }))
	if err != nil || m.Netmask != 0xffffffff {
		t.Errorf("%#x, %v", m.Netmask, err)
	}
	s, err := mobyipvs.FromService(&moby.Service{AddressFamily: syscall.AF_INET, Netmask: 0x00ff00ff})
	if err != nil || s.Netmask != 0 {
		t.Errorf("%d, %v", s.Netmask, err)
	}
}

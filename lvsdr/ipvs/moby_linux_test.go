package ipvs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	ours "github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Another client is the judge of ours: what one writes the other reads. Where
// they differ, it is a known defect of the other.

func mobyHandle(t testing.TB) *ipvs.Handle {
	t.Helper()
	h, err := ipvs.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func mobyService(s ours.Service) *ipvs.Service {
	m := &ipvs.Service{
		Address: s.Addr.AsSlice(), Protocol: uint16(s.Protocol), Port: s.Port, FWMark: s.FWMark,
		SchedName: s.Scheduler, Flags: uint32(s.Flags), Timeout: uint32(s.Persistence / time.Second),
		Netmask: 0xffffffff, AddressFamily: unix.AF_INET, PEName: s.PE,
	}
	if s.Addr.Is6() {
		m.AddressFamily, m.Netmask = unix.AF_INET6, uint32(s.Netmask)
	} else if s.Netmask == 24 {
		m.Netmask = 0x00ffffff // on a little-endian machine
	}
	return m
}

func mobyDestination(d ours.Destination) *ipvs.Destination {
	m := &ipvs.Destination{
		Address: d.Addr.AsSlice(), Port: d.Port, Weight: int(d.Weight), ConnectionFlags: uint32(d.Forwarding),
		AddressFamily: unix.AF_INET, UpperThreshold: d.UpperThreshold, LowerThreshold: d.LowerThreshold,
	}
	if d.Addr.Is6() {
		m.AddressFamily = unix.AF_INET6
	}
	return m
}

// mobyCases are those that moby/ipvs can write: it does not tell the kernel the
// address family of a real server.
func mobyCases() []kernelCase {
	return slices.DeleteFunc(slices.Clone(kernelCases), func(k kernelCase) bool {
		return slices.ContainsFunc(k.entry.Destinations, func(d ours.Destination) bool {
			return d.Addr.Is4() != k.entry.Addr.Is4()
		})
	})
}

func TestKernelReadsMoby(t *testing.T) {
	c := guest(t)
	h := mobyHandle(t)
	for _, test := range mobyCases() {
		s := mobyService(test.entry.Service)
		if err := h.NewService(s); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		for _, d := range test.entry.Destinations {
			if err := h.NewDestination(s, mobyDestination(d)); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		if got := table(t, c); len(got) != 1 || !sameEntry(got[0], test.entry) {
			t.Errorf("%s:\nread  %+v\nwrote %+v", test.name, got, test.entry)
		}
		if err := h.DelService(s); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestKernelWritesForMoby(t *testing.T) {
	c := guest(t)
	h := mobyHandle(t)
	for _, test := range mobyCases() {
		apply(t, c, adding(test.entry)...)
		want := mobyService(test.entry.Service)
		services, err := h.GetServices()
		if err != nil || len(services) != 1 {
			t.Fatalf("%s: %v, %v", test.name, services, err)
		}
		if !sameService(services[0], want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", test.name, services[0], want)
		}
		dests, err := h.GetDestinations(want)
		if err != nil || len(dests) != len(test.entry.Destinations) {
			t.Fatalf("%s: %v, %v", test.name, dests, err)
		}
		slices.Reverse(dests) // the newest first
		for i, d := range test.entry.Destinations {
			if want := mobyDestination(d); !sameDestination(dests[i], want) {
				t.Errorf("%s:\ngot  %+v\nwant %+v", test.name, dests[i], want)
			}
		}
		apply(t, c, ours.Command{Op: ours.RemoveService, Service: &test.entry.Service})
	}
}

func sameService(got, want *ipvs.Service) bool {
	w := *want
	if w.FWMark != 0 {
		w.Address, w.Protocol, w.Port = nil, 0, 0
	}
	w.Flags |= 0x2 // the kernel's own flag, not masked; and PEName is not read
	return got.Address.Equal(w.Address) && got.Protocol == w.Protocol && got.Port == w.Port &&
		got.FWMark == w.FWMark && got.SchedName == w.SchedName && got.Flags == w.Flags &&
		got.Timeout == w.Timeout && got.Netmask == w.Netmask && got.AddressFamily == w.AddressFamily
}

func sameDestination(got, want *ipvs.Destination) bool {
	return got.Address.Equal(want.Address) && got.Port == want.Port &&
		got.Weight == want.Weight&0xffff && // read as 16 bits
		got.ConnectionFlags == want.ConnectionFlags && got.AddressFamily == want.AddressFamily &&
		got.UpperThreshold == want.UpperThreshold && got.LowerThreshold == want.LowerThreshold
}

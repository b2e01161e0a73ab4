package probe

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// newNetns puts the test into a network namespace of its own, whose thread is
// never given back.
func newNetns(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if slices.Contains(strings.Split(os.Getenv("LVSDR_TEST_REQUIRE"), ","), "netns") {
			t.Fatalf("network namespace: %v", err)
		}
		t.Skipf("network namespace: %v", err)
	}
}

// pair makes eth0 with addresses in a new network namespace and peer, on the other
// end of the cable, in another one, both up. It returns a function that runs in
// the namespace of peer.
func pair(t *testing.T) (eth0 netlink.Link, inPeer func(func())) {
	t.Helper()
	newNetns(t)
	work, done := make(chan func()), make(chan bool)
	ready := make(chan int)
	go func() {
		runtime.LockOSThread()
		ns := -1
		if unix.Unshare(unix.CLONE_NEWNET) == nil {
			ns, _ = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		ready <- ns
		for f := range work {
			f()
			done <- true
		}
	}()
	ns := <-ready
	t.Cleanup(func() { close(work); unix.Close(ns) })
	inPeer = func(f func()) { work <- f; <-done }

	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "peer"}
	must(t, netlink.LinkAdd(veth))
	peer, err := netlink.LinkByName("peer")
	must(t, err)
	must(t, netlink.LinkSetNsFd(peer, ns))
	must(t, netlink.LinkSetUp(veth))
	inPeer(func() { err = netlink.LinkSetUp(peer) })
	must(t, err)
	eth0, err = netlink.LinkByName("eth0")
	must(t, err)
	return eth0, inPeer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A neighbour that knows another MAC address for the VIP learns of eth0's, IPv4
// from either frame alone.
func TestAnnounce(t *testing.T) {
	request := func(index int, mac net.HardwareAddr, addr ...netip.Addr) error {
		frame, err := GratuitousARP(ARPRequest, mac, addr[0])
		return errors.Join(err, Send(index, frame))
	}
	reply := func(index int, mac net.HardwareAddr, addr ...netip.Addr) error {
		frame, err := GratuitousARP(ARPReply, mac, addr[0])
		return errors.Join(err, Send(index, frame))
	}
	tests := []struct {
		name     string
		own, vip string
		announce func(int, net.HardwareAddr, ...netip.Addr) error
	}{
		{"IPv4", "10.10.10.1/24", "10.10.10.22", Announce},
		{"IPv4 request", "10.10.10.1/24", "10.10.10.22", request},
		{"IPv4 reply", "10.10.10.1/24", "10.10.10.22", reply},
		{"IPv6", "fd00::1/64", "fd00::22", Announce},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eth0, inPeer := pair(t)
			vip := netip.MustParseAddr(test.vip)
			var err error
			inPeer(func() { err = knowWrong(test.own, vip) })
			must(t, err)
			must(t, test.announce(eth0.Attrs().Index, eth0.Attrs().HardwareAddr, vip))
			want := eth0.Attrs().HardwareAddr.String()
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
				var mac string
				inPeer(func() { mac = neighbour(vip) })
				if mac == want {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("the neighbour has %s at %s, want %s", vip, mac, want)
				}
			}
		})
	}
}

// knowWrong gives peer the address own and a stale entry for the VIP.
func knowWrong(own string, vip netip.Addr) error {
	peer, err := netlink.LinkByName("peer")
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(own)
	if err != nil {
		return err
	}
	if vip.Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(peer, addr); err != nil {
		return err
	}
	return netlink.NeighSet(&netlink.Neigh{
		LinkIndex: peer.Attrs().Index, IP: vip.AsSlice(), State: netlink.NUD_STALE,
		HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 0x99},
	})
}

func neighbour(vip netip.Addr) string {
	all, _ := netlink.NeighList(0, 0)
	for _, n := range all {
		if n.IP.Equal(vip.AsSlice()) {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

func TestSendFails(t *testing.T) {
	newNetns(t)
	frame, _ := GratuitousARP(ARPRequest, testMAC, testVIP)
	if err := Send(12345, frame); err == nil {
		t.Error("no error from an interface that does not exist")
	}
	if err := Send(1, frame[:5]); err == nil {
		t.Error("no error for a frame without header")
	}
	if err := Announce(1, nil, testVIP); err == nil {
		t.Error("no error for a link without MAC address")
	}
}

func TestSendWithoutCapability(t *testing.T) {
	newNetns(t)
	var header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	must(t, unix.Capset(&header, &none[0])) // of this thread only, which ends with the test
	frame, _ := GratuitousARP(ARPRequest, testMAC, testVIP)
	if err := Send(1, frame); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want fs.ErrPermission", err)
	}
}

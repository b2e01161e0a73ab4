package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A server is the host at the other end of the cable.
type server struct {
	t      *testing.T
	inPeer func(func())
	mac    net.HardwareAddr
}

// cable makes a director's eth0 and a real server behind the other end, with
// these addresses.
func cable(t *testing.T, own []string, theirs []string) (netlink.Link, server) {
	t.Helper()
	eth0, inPeer := pair(t)
	s := server{t: t, inPeer: inPeer}
	for _, a := range own {
		must(t, addAddress("eth0", a))
	}
	s.do(func() error {
		peer, err := netlink.LinkByName("peer")
		if err == nil {
			s.mac = peer.Attrs().HardwareAddr
			err = netlink.LinkSetUp(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: "lo"}})
		}
		return err
	})
	for _, a := range theirs {
		s.do(func() error { return addAddress("peer", a) })
	}
	if strings.Contains(strings.Join(own, " "), ":") {
		must(t, settled())
		s.do(settled)
	}
	return eth0, s
}

// settled waits for IPv6's duplicate address detection: without a link-local
// address a host cannot look for its neighbours.
func settled() error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		all, err := netlink.AddrList(nil, netlink.FAMILY_V6)
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			continue
		}
		if err != nil || !slices.ContainsFunc(all, func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 }) {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("addresses stay tentative")
		}
	}
}

func addAddress(link, prefix string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	if addr.IP.To4() == nil {
		addr.Flags = unix.IFA_F_NODAD
	}
	return netlink.AddrAdd(l, addr)
}

func (s server) do(f func() error) {
	s.t.Helper()
	var err error
	s.inPeer(func() { err = f() })
	must(s.t, err)
}

func (s server) sysctl(key, value string) {
	s.t.Helper()
	s.do(func() error { return os.WriteFile("/proc/sys/net/"+key, []byte(value), 0) })
}

func (s server) listen(addr string) {
	s.t.Helper()
	s.do(func() error {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
		if err == nil {
			s.t.Cleanup(func() { l.Close() })
		}
		return err
	})
}

const patience = 3 * time.Second // for what is answered
const silence = 300 * time.Millisecond

func TestAsk(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.30/24", "fd00::30/64"}, []string{"10.10.10.31/24", "fd00::31/64"})
	s.do(func() error { return errors.Join(addAddress("lo", "10.10.10.22/32"), addAddress("lo", "fd00::22/128")) })
	rip6 := netip.MustParseAddr("fd00::31")
	questions := []Question{
		{Target: testRIP, Source: testDIP}, {Target: testRIP}, {Target: rip6, Source: testDIP6}, {Target: rip6},
		{Target: testVIP, Source: testDIP}, {Target: testVIP}, {Target: testV6, Source: testDIP6}, {Target: testV6},
	}
	ask := func(n int, wait time.Duration) [][]Answer {
		t.Helper()
		answers, err := Ask(context.Background(), eth0.Attrs().Index, eth0.Attrs().HardwareAddr, questions[:n], wait)
		must(t, err)
		return answers
	}
	start := time.Now()
	for i, got := range ask(4, patience) {
		if len(got) != 1 || got[0].MAC.String() != s.mac.String() || got[0].From.String() != s.mac.String() {
			t.Errorf("%v: %v, want %s", questions[i], got, s.mac)
		}
	}
	if took := time.Since(start); took > patience/2 {
		t.Errorf("took %v, though all is answered", took)
	}
	// The kernel answers ARP for an address of lo, and neighbour solicitations not.
	for i, got := range ask(8, silence)[4:] {
		if want := i < 2; (len(got) == 1) != want {
			t.Errorf("%v: %v, want an answer: %v", questions[4+i], got, want)
		}
	}
	s.sysctl("ipv4/conf/all/arp_ignore", "1")
	for i, got := range ask(6, silence) {
		if want := i < 4; (len(got) == 1) != want {
			t.Errorf("arp_ignore=1: %v: %v, want an answer: %v", questions[i], got, want)
		}
	}
}

// A host that takes the asker's address for its own answers a probe only: the
// director that asks as the VIP, and the real server with a mask too wide.
func TestAskAsOneOfTheirs(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.22/24"}, []string{"10.10.10.31/24"})
	s.sysctl("ipv4/conf/all/arp_ignore", "1")
	s.do(func() error { return addAddress("lo", "10.10.10.22/32") })
	answers, err := Ask(context.Background(), eth0.Attrs().Index, eth0.Attrs().HardwareAddr,
		[]Question{{Target: testRIP, Source: testVIP}, {Target: testRIP}}, silence)
	must(t, err)
	if len(answers[0]) != 0 || len(answers[1]) != 1 {
		t.Errorf("asked as the VIP: %v, by a probe: %v", answers[0], answers[1])
	}
}

func TestKnocks(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.30/24", "fd00::30/64"}, []string{"10.10.10.31/24", "fd00::31/64"})
	s.sysctl("ipv4/conf/all/arp_ignore", "1")
	s.do(func() error { return errors.Join(addAddress("lo", "10.10.10.22/32"), addAddress("lo", "fd00::22/128")) })
	s.listen(":80")
	to := func(addr string) Knock {
		k := Knock{To: netip.MustParseAddrPort(addr), From: testDIP, MAC: s.mac}
		if k.To.Addr().Is6() {
			k.From = testDIP6
		}
		return k
	}
	of := func(kind Kind, k Knock) Knock { k.Kind = kind; return k }
	tests := []struct {
		knock      Knock
		want       Outcome
		kind, code uint8
	}{
		{to("10.10.10.22:80"), Accepted, 0, 0},
		{to("[fd00::22]:80"), Accepted, 0, 0},
		{to("10.10.10.22:81"), Reset, 0, 0},
		{to("[fd00::22]:81"), Reset, 0, 0},
		{of(Echo, to("10.10.10.22:0")), Accepted, 0, 0},
		{of(Echo, to("[fd00::22]:0")), Accepted, 0, 0},
		{of(Datagram, to("10.10.10.22:53")), Unreachable, 3, 3},
		{of(Datagram, to("[fd00::22]:53")), Unreachable, 1, 4},
		{to("10.10.10.99:80"), Silent, 0, 0},
		{to("[fd00::99]:80"), Silent, 0, 0},
	}
	run := func(wait time.Duration, n int) []Reply {
		t.Helper()
		var knocks []Knock
		for _, test := range tests[:n] {
			knocks = append(knocks, test.knock)
		}
		replies, err := Knocks(context.Background(), eth0.Attrs().Index, eth0.Attrs().HardwareAddr, knocks, wait)
		must(t, err)
		return replies
	}
	s.do(func() error { return routed(testV6) })
	for i, r := range run(silence, len(tests)) {
		test := tests[i]
		if r.Outcome != test.want || r.Type != test.kind || r.Code != test.code {
			t.Errorf("%v: %+v, want %s %d/%d", test.knock, r, test.want, test.kind, test.code)
		}
		if r.Outcome == Accepted && (r.MAC.String() != s.mac.String() || r.From != test.knock.To.Addr()) {
			t.Errorf("%v: answered by %s at %s", test.knock, r.From, r.MAC)
		}
	}
	start := time.Now()
	run(patience, 8)
	if took := time.Since(start); took > patience/2 {
		t.Errorf("took %v, though all is answered", took)
	}
	s.do(func() error { return noHalfOpen(80) })
}

// routed waits until the kernel takes packets for its new IPv6 address, which it does
// some time after it says that it has it.
func routed(addr netip.Addr) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		routes, err := netlink.RouteGet(addr.AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not local: %v, %w", addr, routes, err)
		}
	}
}

// noHalfOpen fails when connections to the port stay in SYN_RECV.
func noHalfOpen(port uint16) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		left := 0
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			sockets, err := netlink.SocketDiagTCP(family)
			if err != nil {
				return err
			}
			for _, s := range sockets {
				if s.ID.SourcePort == port && s.State == 3 { // TCP_SYN_RECV
					left++
				}
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("half-open connections are left")
		}
	}
}

// A real server that lacks the VIP and forwards sends the packet back, with an
// ICMP redirect unless it has sent too many.
func TestKnockAtARouter(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.30/24", "10.10.10.22/32"}, []string{"10.10.10.31/24"})
	s.sysctl("ipv4/ip_forward", "1")
	knock := []Knock{{To: netip.AddrPortFrom(testVIP, 80), From: testDIP, MAC: s.mac}}
	for _, redirects := range []string{"1", "0"} {
		s.sysctl("ipv4/conf/all/send_redirects", redirects)
		s.sysctl("ipv4/conf/peer/send_redirects", redirects)
		replies, err := Knocks(context.Background(), eth0.Attrs().Index, eth0.Attrs().HardwareAddr, knock, patience)
		must(t, err)
		want := map[string]Outcome{"1": Redirected, "0": Returned}[redirects]
		if replies[0].Outcome != want || replies[0].MAC.String() != s.mac.String() {
			t.Errorf("send_redirects=%s: %+v, want %s by %s", redirects, replies[0], want, s.mac)
		}
	}
}

func TestKnockAtARouter6(t *testing.T) {
	eth0, s := cable(t, []string{"fd00::30/64", "fd00::22/128"}, []string{"fd00::31/64"})
	s.sysctl("ipv6/conf/all/forwarding", "1")
	for _, kind := range []Kind{SYN, Echo} {
		knock := []Knock{{Kind: kind, To: netip.AddrPortFrom(testV6, 80), From: testDIP6, MAC: s.mac}}
		replies, err := Knocks(context.Background(), eth0.Attrs().Index, eth0.Attrs().HardwareAddr, knock, patience)
		must(t, err)
		if replies[0].Outcome != Redirected || replies[0].MAC.String() != s.mac.String() {
			t.Errorf("%d: %+v, want redirected by %s", kind, replies[0], s.mac)
		}
	}
}

// A ping to everybody's MAC address finds the host that does not answer ARP.
func TestEchoToAll(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.30/24"}, []string{"10.10.10.31/24"})
	s.sysctl("ipv4/conf/all/arp_ignore", "8")
	replies, err := Knocks(context.Background(), eth0.Attrs().Index, eth0.Attrs().HardwareAddr,
		[]Knock{{Kind: Echo, To: netip.AddrPortFrom(testRIP, 0), From: testDIP, MAC: Broadcast}}, patience)
	must(t, err)
	if replies[0].Outcome != Accepted || replies[0].MAC.String() != s.mac.String() {
		t.Errorf("%+v", replies[0])
	}
}

func TestClaims(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.30/24"}, []string{"10.10.10.31/24"})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan bool)
	var index int
	s.do(func() error {
		peer, err := netlink.LinkByName("peer")
		if err == nil {
			index = peer.Attrs().Index
		}
		return err
	})
	question, err := arpQuestion(s.mac, testDIP, testVIP)
	must(t, err)
	go func() {
		for ctx.Err() == nil { // until it is heard: the listener starts some time
			s.inPeer(func() { Send(index, question) })
			time.Sleep(20 * time.Millisecond)
		}
		close(done)
	}()
	listening, stop := context.WithTimeout(ctx, silence)
	defer stop()
	got, err := Claims(listening, eth0.Attrs().Index, []netip.Addr{testVIP}, time.Minute)
	cancel()
	<-done
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("broken off: %v", err)
	}
	if len(got) != 1 || got[0].MAC.String() != s.mac.String() || got[0].Target != testDIP {
		t.Errorf("claims %v", got)
	}
}

func TestCancelled(t *testing.T) {
	eth0, _ := cable(t, []string{"10.10.10.30/24"}, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Ask(ctx, eth0.Attrs().Index, eth0.Attrs().HardwareAddr, []Question{{Target: testRIP}}, time.Minute)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// TestKnocksInParts: more than can be sent at once are sent one part after the other,
// and each reply keeps its place.
func TestKnocksInParts(t *testing.T) {
	knocks := make([]Knock, 2*maxKnocks+500)
	for i := range knocks {
		knocks[i].To = netip.AddrPortFrom(testRIP, uint16(i))
	}
	var parts []int
	replies, err := inParts(knocks, func(part []Knock) ([]Reply, error) {
		parts = append(parts, len(part))
		all := make([]Reply, len(part))
		for i := range part {
			all[i].MSS = part[i].To.Port()
		}
		return all, nil
	})
	if err != nil || !slices.Equal(parts, []int{maxKnocks, maxKnocks, 500}) || len(replies) != len(knocks) {
		t.Fatalf("parts of %d, %d replies, %v", parts, len(replies), err)
	}
	for i, r := range replies {
		if int(r.MSS) != i {
			t.Fatalf("reply %d is in place %d", r.MSS, i)
		}
	}
}

func TestWireFails(t *testing.T) {
	newNetns(t)
	if _, err := Ask(context.Background(), 12345, testMAC, []Question{{Target: testRIP}}, silence); err == nil {
		t.Error("no error from an interface that does not exist")
	}
	if replies, err := Knocks(context.Background(), 1, testMAC, nil, silence); err != nil || replies != nil {
		t.Errorf("nothing to do: %v, %v", replies, err)
	}
	var header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	must(t, unix.Capset(&header, &none[0]))
	if _, err := Claims(context.Background(), 1, []netip.Addr{testVIP}, silence); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want fs.ErrPermission", err)
	}
}

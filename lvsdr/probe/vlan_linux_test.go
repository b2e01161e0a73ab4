package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tagged puts VLAN tags into a frame, the outer one first.
func tagged(frame []byte, tags ...uint16) []byte {
	b := append([]byte{}, frame[:12]...)
	for _, tag := range tags {
		b = binary.BigEndian.AppendUint16(b, etherVLAN)
		b = binary.BigEndian.AppendUint16(b, tag)
	}
	return append(b, frame[12:]...)
}

func TestUntag(t *testing.T) {
	frame, err := GratuitousARP(ARPReply, serverMAC, testVIP)
	must(t, err)
	for _, tags := range [][]uint16{nil, {4}, {0xe000}, {100, 4}} {
		if got := untag(tagged(frame, tags...)); string(got) != string(frame) {
			t.Errorf("%v: %x, want %x", tags, got, frame)
		}
	}
	untag([]byte{12: 0x81, 13: 0, 17: 0}) // a tag and nothing behind it
}

// What carries a VLAN's number is not the interface's own; a priority alone is.
func TestTags(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.30/24"}, nil)
	var index int
	s.do(func() error {
		peer, err := netlink.LinkByName("peer")
		if err == nil {
			index = peer.Attrs().Index
		}
		return err
	})
	fd, err := open(eth0.Attrs().Index, neighbours())
	must(t, err)
	defer fd.close()
	tests := []struct {
		tags []uint16
		own  bool
	}{{[]uint16{4}, false}, {[]uint16{0x6004}, false}, {[]uint16{0}, true}, {[]uint16{0x6000}, true}, {nil, true}}
	for i, test := range tests {
		frame, err := GratuitousARP(ARPReply, net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}, testVIP)
		must(t, err)
		s.do(func() error { return Send(index, tagged(frame, test.tags...)) })
	}
	seen := map[byte]bool{}
	take := func(frame []byte) error {
		if a, ok := parseARP(frame); ok { // the kernel looks for IPv6 neighbours meanwhile
			seen[a.sender[5]] = true
		}
		return nil
	}
	patience := func() time.Duration {
		if seen[byte(len(tests)-1)] {
			return 0 // the last one, and they come in turn
		}
		return never
	}
	must(t, fd.receive(context.Background(), time.Now().Add(10*time.Second), take, patience))
	for i, test := range tests {
		if seen[byte(i)] != test.own {
			t.Errorf("tags %x: taken %v, want %v", test.tags, seen[byte(i)], test.own)
		}
	}
}

// A VLAN interface is asked and knocked on as any other, tagged once or twice, and
// with the tag left in the frame.
func TestOnVLAN(t *testing.T) {
	for name, vlans := range map[string][]vlan{
		"tagged": {{4, true}}, "tag in the frame": {{4, false}}, "tagged twice": {{100, true}, {4, true}},
		"inner tag in the frame": {{100, true}, {4, false}}, // the outer one so: the kernel itself is deaf
	} {
		t.Run(name, func(t *testing.T) {
			_, s := cable(t, nil, nil)
			link, err := addVLANs("eth0", vlans)
			if errors.Is(err, unix.EOPNOTSUPP) && os.Getenv("LVSDR_TEST_GUEST") != "1" {
				t.Skip("this kernel has no VLANs (go test -exec umlexec)")
			}
			must(t, err)
			must(t, addAddress(link.Attrs().Name, "10.10.10.30/24"))
			s.do(func() error {
				l, err := addVLANs("peer", vlans)
				if err != nil {
					return err
				}
				s.mac = l.Attrs().HardwareAddr
				return addAddress(l.Attrs().Name, "10.10.10.31/24")
			})
			index, mac := link.Attrs().Index, link.Attrs().HardwareAddr
			answers, err := Ask(context.Background(), index, mac, []Question{{Target: testRIP}, {Target: testRIP, Source: testDIP}}, patience)
			must(t, err)
			for i, a := range answers {
				if len(a) != 1 || a[0].MAC.String() != s.mac.String() {
					t.Errorf("question %d: %v, want %s", i, a, s.mac)
				}
			}
			replies, err := Knocks(context.Background(), index, mac, []Knock{
				{Kind: Echo, To: netip.AddrPortFrom(testRIP, 0), From: testDIP, MAC: s.mac},
				{Kind: SYN, To: netip.AddrPortFrom(testRIP, 80), From: testDIP, MAC: s.mac},
			}, patience)
			must(t, err)
			if replies[0].Outcome != Accepted || replies[1].Outcome != Reset {
				t.Errorf("replies %+v", replies)
			}
		})
	}
}

// A vlan is its number, and whether the tag is taken out of the frame ("reorder_hdr").
type vlan struct {
	tag     int
	reorder bool
}

// addVLANs puts VLANs on an interface, one on the other, and returns the last.
func addVLANs(on string, vlans []vlan) (netlink.Link, error) {
	parent, err := netlink.LinkByName(on)
	if err != nil {
		return nil, err
	}
	for _, v := range vlans {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = fmt.Sprintf("%s.%d", parent.Attrs().Name, v.tag), parent.Attrs().Index
		link := &netlink.Vlan{LinkAttrs: attrs, VlanId: v.tag, ReorderHdr: &v.reorder}
		if err := errors.Join(netlink.LinkAdd(link), netlink.LinkSetUp(link)); err != nil {
			return nil, err
		}
		if parent, err = netlink.LinkByName(attrs.Name); err != nil {
			return nil, err
		}
	}
	return parent, nil
}

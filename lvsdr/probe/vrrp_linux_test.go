package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// Advertisements as keepalived 2.2.7 sends them.
var (
	version2 = []byte{0x21, 51, 100, 2, 1, 1, 0xaa, 0xbb, 10, 10, 10, 22, 10, 10, 10, 23, 's', 'e', 'c', 'r', 'e', 't', 0, 0}
	version3 = []byte{0x31, 52, 90, 1, 0, 50, 0xaa, 0xbb, 0xfd, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x22}
)

func advert(mac net.HardwareAddr, from, to string, payload []byte) []byte {
	src := netip.MustParseAddr(from)
	return packet{
		from: mac, to: net.HardwareAddr{1, 0, 0x5e, 0, 0, 0x12}, src: src, dst: netip.MustParseAddr(to), proto: protoVRRP, ttl: 255, payload: payload,
	}.frame()
}

func TestAdvertsAreRead(t *testing.T) {
	four, six := netip.MustParseAddr("10.10.10.33"), netip.MustParseAddr("fe80::33")
	var g gathering
	frames := [][]byte{
		advert(testMAC, "10.10.10.33", "224.0.0.18", version2),
		advert(testMAC, "fe80::33", "ff02::12", version3),
		advert(testMAC, "10.10.10.33", "224.0.0.18", version2), // once more
	}
	for _, frame := range frames {
		g.take(frame)
		for n := range frame {
			new(gathering).take(frame[:n]) // cut off
		}
	}
	g.take(advert(testMAC, "10.10.10.34", "224.0.0.18", []byte{0x41, 51, 100, 0, 0, 0, 0, 0})) // version 4
	want := []Advert{
		{four, testMAC, 2, 51, 100, time.Second, []netip.Addr{netip.MustParseAddr("10.10.10.22"), netip.MustParseAddr("10.10.10.23")}, "secret"},
		{six, testMAC, 3, 52, 90, 500 * time.Millisecond, []netip.Addr{netip.MustParseAddr("fd00:10::22")}, ""},
	}
	if !reflect.DeepEqual(g.adverts, want) {
		t.Errorf("got  %+v\nwant %+v", g.adverts, want)
	}
}

// Another host's advertisements to the group are heard, and this host's own are not.
func TestAdverts(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.30/24"}, []string{"10.10.10.33/24"})
	var index int
	s.do(func() error {
		peer, err := netlink.LinkByName("peer")
		if err == nil {
			index = peer.Attrs().Index
		}
		return err
	})
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	done := make(chan bool)
	go func() {
		for ctx.Err() == nil {
			s.inPeer(func() { Send(index, advert(s.mac, "10.10.10.33", "224.0.0.18", version2)) })
			Send(eth0.Attrs().Index, advert(eth0.Attrs().HardwareAddr, "10.10.10.30", "224.0.0.18", version2))
			time.Sleep(20 * time.Millisecond)
		}
		close(done)
	}()
	got, err := Adverts(ctx, eth0.Attrs().Index, time.Minute)
	<-done
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("broken off: %v", err)
	}
	if len(got) != 1 || got[0].MAC.String() != s.mac.String() || got[0].RouterID != 51 {
		t.Errorf("heard %+v", got)
	}
}

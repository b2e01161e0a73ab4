package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// forged are so many ARP replies for the VIP, to the asker of a probe, each from a MAC
// address of its own.
func forged(n int) [][]byte {
	frames := make([][]byte, n)
	for i := range frames {
		mac := net.HardwareAddr{2, 0xff, 0, 0, 0, 0}
		binary.BigEndian.PutUint32(mac[2:], uint32(i))
		frames[i] = arp{
			op: ARPReply, sender: mac, senderIP: testVIP, target: testMAC, goalIP: netip.IPv4Unspecified(), from: mac, destination: Broadcast,
		}.frame()
	}
	return frames
}

// endless is a LAN on which a frame comes for each that is taken, so that there is
// always one more. It counts those taken once over is true.
func endless(t *testing.T, over func(taken int) bool) (near *socket, take func([]byte) error, after *int) {
	t.Helper()
	eth0, s := cable(t, []string{"10.10.10.30/24"}, nil)
	near, err := open(eth0.Attrs().Index, neighbours())
	must(t, err)
	t.Cleanup(near.close)
	var far *socket
	s.do(func() error {
		peer, err := netlink.LinkByName("peer")
		if err == nil {
			far, err = open(peer.Attrs().Index, neighbours())
		}
		return err
	})
	t.Cleanup(far.close)
	frames, taken := forged(256), 0
	must(t, far.send(frames...))
	after = new(int)
	return near, func([]byte) error {
		if taken++; over(taken) {
			*after++
		}
		if *after > 10*queued {
			return errors.New("there is no end to it")
		}
		return far.send(frames[taken%len(frames)])
	}, after
}

func always() time.Duration { return never }

// On a LAN where a frame comes for each that is read, receiving ends when its time is
// over: what the socket keeps is read, and no more.
func TestFloodEnds(t *testing.T) {
	deadline := time.Now().Add(200 * time.Millisecond)
	near, take, after := endless(t, func(int) bool { return time.Now().After(deadline) })
	must(t, near.receive(context.Background(), deadline, take, always))
	if *after < queued/2 || *after > queued+atOnce {
		t.Errorf("%d frames taken after the end, want %d and %d at the most", *after, queued, atOnce)
	}
}

// On such a LAN receiving heeds its context.
func TestFloodCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	near, take, after := endless(t, func(taken int) bool {
		if taken == 1000 {
			cancel()
		}
		return taken > 1000
	})
	err := near.receive(ctx, time.Now().Add(time.Minute), take, always)
	if !errors.Is(err, context.Canceled) || *after > atOnce {
		t.Errorf("%d frames taken after the cancellation, want %d at the most; %v", *after, atOnce, err)
	}
}

// What is more than is kept is counted.
func TestMany(t *testing.T) {
	a, h := newAsking([]Question{{Target: testVIP, All: true}}), newHearing([]netip.Addr{testVIP})
	for _, frame := range forged(5000) {
		a.take(frame)
		h.take(frame)
	}
	got := a.answers[0]
	if len(got) != most || got[most-1].More != 5000-most || a.silent != 0 {
		t.Errorf("%d answers, %+v", len(got), got[len(got)-1])
	}
	if n := len(h.claims); n != 2*most || h.claims[n-1].More != 5000-2*most {
		t.Errorf("%d claims, %+v", n, h.claims[n-1])
	}
}

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

// flood has the other end send forged answers, round and round until the context
// ends, and returns a function that waits for that.
func flood(ctx context.Context, t *testing.T, s server) (done func()) {
	var index int
	s.do(func() error {
		peer, err := netlink.LinkByName("peer")
		if err == nil {
			index = peer.Attrs().Index
		}
		return err
	})
	frames, ended := forged(50000), make(chan error)
	go func() {
		var err error
		s.inPeer(func() {
			for i := 0; err == nil && ctx.Err() == nil; i = (i + 500) % len(frames) {
				err = Send(index, frames[i:i+500]...)
				time.Sleep(2 * time.Millisecond) // a guest has one processor, and we want some of it
			}
		})
		ended <- err
	}()
	return func() { must(t, <-ended) }
}

// inTime is far more than the second that a call may take on a busy machine, and far
// less than the flood lasts.
const inTime = 8 * time.Second

// A LAN on which answers come faster than they are read neither holds a call up nor
// fills the memory: it ends in time, with few addresses.
func TestFlood(t *testing.T) {
	eth0, s := cable(t, []string{"10.10.10.30/24"}, nil)
	index, mac := eth0.Attrs().Index, eth0.Attrs().HardwareAddr
	flooding, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	done := flood(flooding, t, s)
	timed := func(what string, call func()) {
		start := time.Now()
		call()
		if took := time.Since(start); took > inTime {
			t.Errorf("%s for a second at the most took %v", what, took)
		}
	}
	timed("asking", func() {
		answers, err := Ask(context.Background(), index, mac, []Question{{Target: testVIP, All: true}}, time.Second)
		must(t, err)
		if n := len(answers[0]); n > most {
			t.Errorf("%d answers kept, want %d", n, most)
		}
	})
	timed("listening", func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		claims, err := Claims(ctx, index, []netip.Addr{testVIP}, time.Minute)
		if n := len(claims); n > 2*most || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d claims kept, want %d; %v", n, 2*most, err)
		}
	})
	stop()
	done()
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

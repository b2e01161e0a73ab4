package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Ask asks the LAN of the link with the given index and MAC address who has IP
// addresses, all at once, and returns the answers to each question in its place,
// each MAC address once, the first 16. It waits for an answer to every question, at the most for
// so long; cancelled, it fails with the context's error.
func Ask(ctx context.Context, index int, mac net.HardwareAddr, questions []Question, wait time.Duration) ([][]Answer, error) {
	if len(questions) == 0 {
		return nil, ctx.Err()
	}
	a := newAsking(questions)
	s, err := open(index, neighbours())
	if err != nil {
		return nil, fmt.Errorf("probe: ask: %w", err)
	}
	defer s.close()
	err = talk{
		socket:   s,
		frames:   func() ([][]byte, error) { return a.frames(mac) },
		take:     func(frame []byte) error { a.take(frame); return nil },
		patience: a.wait,
	}.run(ctx, wait)
	if err != nil {
		return nil, fmt.Errorf("probe: ask: %w", err)
	}
	return a.answers, nil
}

// Knocks sends packets, up to 4000 at once, and returns what came of each in its
// place. It waits for an answer to every one, at the most for so long for each 4000;
// cancelled, it fails with the context's error.
func Knocks(ctx context.Context, index int, mac net.HardwareAddr, knocks []Knock, wait time.Duration) ([]Reply, error) {
	if len(knocks) == 0 {
		return nil, ctx.Err()
	}
	return inParts(knocks, func(part []Knock) ([]Reply, error) { return knockPart(ctx, index, mac, part, wait) })
}

// inParts joins the replies to parts of the knocks.
func inParts(knocks []Knock, send func([]Knock) ([]Reply, error)) ([]Reply, error) {
	var all []Reply
	for part := range slices.Chunk(knocks, maxKnocks) {
		replies, err := send(part)
		if err != nil {
			return nil, err
		}
		all = append(all, replies...)
	}
	return all, nil
}

func knockPart(ctx context.Context, index int, mac net.HardwareAddr, knocks []Knock, wait time.Duration) ([]Reply, error) {
	first := firstPort + uint16(rand.IntN(1<<16-firstPort-len(knocks)))
	k := newKnocking(knocks, rand.Uint32(), first)
	s, err := open(index, answers(first, first+uint16(len(knocks)-1)))
	if err != nil {
		return nil, fmt.Errorf("probe: knock: %w", err)
	}
	defer s.close()
	err = talk{
		socket:   s,
		frames:   func() ([][]byte, error) { return k.frames(mac, time.Now()) },
		patience: k.wait,
		take: func(frame []byte) error {
			k.take(frame, time.Now())
			resets := k.resets
			k.resets = nil
			return s.send(resets...)
		},
	}.run(ctx, wait)
	if err != nil {
		return nil, fmt.Errorf("probe: knock: %w", err)
	}
	_ = s.send(k.late(mac)...) // the replies count, not what becomes of these
	return k.replies, nil
}

// Claims listens for so long to who says to have one of the IP addresses, and
// returns each claimant once for its answers and once for its questions, the first 32
// of an address. It sends nothing. What the host itself says it does not hear. Cancelled, it returns what it
// has heard until then with the context's error.
func Claims(ctx context.Context, index int, addrs []netip.Addr, wait time.Duration) ([]Claim, error) {
	s, err := open(index, neighbours())
	if err != nil {
		return nil, fmt.Errorf("probe: listen: %w", err)
	}
	defer s.close()
	h := newHearing(addrs)
	take := func(frame []byte) error { h.take(frame); return nil }
	if err := s.receive(ctx, time.Now().Add(wait), take, func() time.Duration { return never }); err != nil {
		return h.claims, fmt.Errorf("probe: listen: %w", err)
	}
	return h.claims, nil
}

// A talk is what [Ask] and [Knocks] have in common: frames go out, frames come in.
type talk struct {
	socket   *socket
	frames   func() ([][]byte, error) // of what is unanswered
	take     func(frame []byte) error
	patience func() time.Duration // how much longer to wait, never: as long as there is time
}

// run sends, and sends once more what is unanswered after half of the time.
func (t talk) run(ctx context.Context, wait time.Duration) error {
	start := time.Now()
	for _, deadline := range []time.Time{start.Add(wait / 2), start.Add(wait)} {
		frames, err := t.frames()
		if err != nil {
			return err
		}
		if err := t.round(ctx, frames, deadline); err != nil || t.patience() != never {
			return err
		}
	}
	return nil
}

// round sends frames and receives; in between too, lest the answers to many frames
// overflow the socket. A full queue on the way out is no error: the frame is sent
// once more.
func (t talk) round(ctx context.Context, frames [][]byte, deadline time.Time) error {
	for some := range slices.Chunk(frames, 64) {
		if err := t.socket.send(some...); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
		if err := t.socket.receive(ctx, time.Time{}, t.take, t.patience); err != nil {
			return err
		}
	}
	return t.socket.receive(ctx, deadline, t.take, t.patience)
}

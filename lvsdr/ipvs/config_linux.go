package ipvs

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Info is what the kernel tells of its IPVS.
type Info struct {
	Version     [3]uint8 // 1.2.1 for many years now
	ConnTabSize int      // buckets of the connection table
}

// Info returns IPVS's version and the size of its connection table.
func (c *Client) Info(ctx context.Context) (Info, error) {
	w, err := c.words(ctx, cmdGetInfo)
	if err != nil {
		return Info{}, fmt.Errorf("ipvs: read info: %w", err)
	}
	v := w[infoVersion]
	return Info{[3]uint8{uint8(v >> 16), uint8(v >> 8), uint8(v)}, int(w[infoConnTabSize])}, nil
}

// Timeouts returns the connection timeouts.
func (c *Client) Timeouts(ctx context.Context) (Timeouts, error) {
	w, err := c.words(ctx, cmdGetConfig)
	if err != nil {
		return Timeouts{}, fmt.Errorf("ipvs: read timeouts: %w", err)
	}
	return Timeouts{
		TCP:    seconds(w[attrTimeoutTCP]),
		TCPFin: seconds(w[attrTimeoutTCPFin]),
		UDP:    seconds(w[attrTimeoutUDP]),
	}, nil
}

// SetTimeouts sets the timeouts that are not zero. They must be whole seconds:
// the kernel would take less than one for "no change".
func (c *Client) SetTimeouts(ctx context.Context, t Timeouts) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.setTimeouts(ctx, t); err != nil {
		return fmt.Errorf("ipvs: set timeouts: %w", err)
	}
	return nil
}

func (c *Client) setTimeouts(ctx context.Context, t Timeouts) error {
	c.open(0, flagAck, cmdSetConfig)
	for i, d := range [...]time.Duration{t.TCP, t.TCPFin, t.UDP} {
		if d < 0 || d%time.Second != 0 || d/time.Second > math.MaxInt32 {
			return invalid("a timeout must be whole seconds, not %v", d)
		}
		if d != 0 {
			c.request = appendUint32(c.request, attrTimeoutTCP+uint16(i), uint32(d/time.Second))
		}
	}
	return c.query(ctx, &words{})
}

// words asks for a reply of 32-bit values.
func (c *Client) words(ctx context.Context, cmd uint8) (words, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var w words
	c.open(0, 0, cmd)
	err := c.query(ctx, &w)
	return w, err
}

// words collects a reply of 32-bit values, by attribute.
type words [attrTimeoutUDP + 1]uint32

func (w *words) reset() { *w = words{} }

func (w *words) add(payload []byte) (err error) {
	*w, err = decodeWords(payload)
	return err
}

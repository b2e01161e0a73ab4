//go:build linux

package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
)

// ready waits until every host's link carries frames: the kernel tells a cable's
// two ends and the bridge of each other a little later.
func (l *Lab) ready(ctx context.Context) error {
	for _, h := range l.Hosts() {
		for {
			up, err := h.linkUp()
			if err != nil {
				return err
			}
			if up {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for the link of %s: %w", h.Name, ctx.Err())
			case <-time.After(time.Millisecond):
			}
		}
	}
	return nil
}

func (h *Host) linkUp() (up bool, err error) {
	err = h.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			up = link.Attrs().OperState == netlink.OperUp
		}
		return err
	})
	return up, err
}

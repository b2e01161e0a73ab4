package linux

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/lvsdr/toolkit/lvsdr/probe"
)

// linuxWire is the LANs of the network namespace of the calling thread.
type linuxWire struct{}

// Ask implements [host.Wire].
func (linuxWire) Ask(ctx context.Context, link string, questions []probe.Question, wait time.Duration) ([][]probe.Answer, error) {
	l, err := wireLink(link)
	if err != nil {
		return nil, err
	}
	return probe.Ask(ctx, l.Index, l.HardwareAddr, questions, wait)
}

// Knock implements [host.Wire].
func (linuxWire) Knock(ctx context.Context, link string, knocks []probe.Knock, wait time.Duration) ([]probe.Reply, error) {
	l, err := wireLink(link)
	if err != nil {
		return nil, err
	}
	return probe.Knocks(ctx, l.Index, l.HardwareAddr, knocks, wait)
}

// Claims implements [host.Wire].
func (linuxWire) Claims(ctx context.Context, link string, addrs []netip.Addr, wait time.Duration) ([]probe.Claim, error) {
	l, err := wireLink(link)
	if err != nil {
		return nil, err
	}
	return probe.Claims(ctx, l.Index, addrs, wait)
}

// Adverts implements [host.Wire].
func (linuxWire) Adverts(ctx context.Context, link string, wait time.Duration) ([]probe.Advert, error) {
	l, err := wireLink(link)
	if err != nil {
		return nil, err
	}
	return probe.Adverts(ctx, l.Index, wait)
}

func wireLink(name string) (*netlink.LinkAttrs, error) {
	l, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	switch {
	case errors.As(err, &missing):
		return nil, absent{"there is no interface " + name, nil}
	case err != nil:
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	return l.Attrs(), nil
}

// connectTime is how long a connection may take to be made.
const connectTime = 2 * time.Second

package mobyipvs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"
	"time"

	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// A View is a handle of moby/ipvs as a host's IPVS.
type View struct {
	handle *moby.Handle
	turn   chan struct{} // holds one while the handle is in use
}

var _ host.IPVS = (*View)(nil)

// New makes a view of the handle, which belongs to the network namespace it was
// opened in and must not be used by anybody else meanwhile. Closing it remains the
// caller's business. The module ip_vs and those of the schedulers must be loaded
// before; ipvs.New itself runs modprobe for the first.
func New(handle *moby.Handle) *View { return &View{handle, make(chan struct{}, 1)} }

// use gives f the handle, once it has shown that it reaches an IPVS. moby/ipvs waits
// for a lost answer for ever: a context that ends first leaves it behind, and the
// view is then in use until the answer comes.
func (v *View) use(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-v.turn }()
		err := v.present()
		if err == nil {
			err = f()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// present asks for a service of an address family that there is none of. IPVS refuses
// that with EAFNOSUPPORT (ip_vs_genl_parse_service in net/netfilter/ipvs/ip_vs_ctl.c);
// without IPVS the message is acknowledged unread, or the family of an unloaded module
// is not found.
func (v *View) present() error {
	_, err := v.handle.GetService(&moby.Service{AddressFamily: math.MaxUint16, FWMark: 1})
	var errno syscall.Errno
	switch {
	case !errors.As(err, &errno), errno == unix.ENOENT:
		return host.ErrNoIPVS
	case errno == unix.EAFNOSUPPORT:
		return nil
	}
	return kernelError(err)
}

// kernelError makes an errno what package ipvs makes of it.
func kernelError(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return &ipvs.Error{Errno: errno}
	}
	return err
}

// unlessNone is for reading: a kernel without IPVS has nothing in its table.
func unlessNone(err error) error {
	if errors.Is(err, host.ErrNoIPVS) {
		return nil
	}
	return err
}

// Services implements [host.IPVS].
func (v *View) Services(ctx context.Context, detail ipvs.Detail) ([]ipvs.Service, error) {
	var all []ipvs.Service
	err := v.use(ctx, func() (err error) {
		all, err = v.services(detail)
		return err
	})
	return all, unlessNone(err)
}

func (v *View) services(detail ipvs.Detail) ([]ipvs.Service, error) {
	rows, err := v.handle.GetServices()
	if err != nil {
		return nil, fmt.Errorf("ipvs: read services: %w", kernelError(err))
	}
	all := make([]ipvs.Service, len(rows))
	for i, row := range rows {
		if all[i], err = FromService(row); err != nil {
			return nil, fmt.Errorf("ipvs: read services: %w", err)
		}
		if detail == ipvs.Plain { // moby/ipvs reads the counters in any case
			all[i].Stats = nil
		}
	}
	slices.SortFunc(all, func(a, b ipvs.Service) int { return a.ID.Compare(b.ID) })
	return all, nil
}

// Destinations implements [host.IPVS].
func (v *View) Destinations(ctx context.Context, id ipvs.ID, detail ipvs.Detail) ([]ipvs.Destination, error) {
	var all []ipvs.Destination
	err := v.use(ctx, func() (err error) {
		all, err = v.destinations(id, detail)
		return err
	})
	return all, unlessNone(err)
}

// destinations lists the oldest first, as the client of package ipvs does.
func (v *View) destinations(id ipvs.ID, detail ipvs.Detail) ([]ipvs.Destination, error) {
	s, err := toID(id)
	if err != nil {
		return nil, err
	}
	rows, err := v.handle.GetDestinations(s)
	if err == nil && len(rows) == 0 { // nor does moby/ipvs tell when there is no such service
		_, err = v.handle.GetService(s)
	}
	if err != nil {
		return nil, fmt.Errorf("ipvs: read real servers of %v: %w", id, kernelError(err))
	}
	slices.Reverse(rows)
	all := make([]ipvs.Destination, len(rows))
	for i, row := range rows {
		if all[i], err = FromDestination(row); err != nil {
			return nil, fmt.Errorf("ipvs: read real servers of %v: %w", id, err)
		}
		if detail == ipvs.Plain {
			all[i].Stats = nil
		}
	}
	return all, nil
}

// Timeouts implements [host.IPVS].
func (v *View) Timeouts(ctx context.Context) (ipvs.Timeouts, error) {
	var t ipvs.Timeouts
	err := v.use(ctx, func() error {
		c, err := v.handle.GetConfig()
		if err != nil {
			return fmt.Errorf("ipvs: read timeouts: %w", kernelError(err))
		}
		t = ipvs.Timeouts{TCP: c.TimeoutTCP, TCPFin: c.TimeoutTCPFin, UDP: c.TimeoutUDP}
		return nil
	})
	return t, unlessNone(err)
}

// SetTimeouts implements [host.IPVS]. The kernel would take less than a second for
// "no change".
func (v *View) SetTimeouts(ctx context.Context, t ipvs.Timeouts) error {
	for _, d := range []time.Duration{t.TCP, t.TCPFin, t.UDP} {
		if d < 0 || d%time.Second != 0 || d/time.Second > math.MaxInt32 {
			return fmt.Errorf("ipvs: set timeouts: %w", invalid("a timeout must be whole seconds, not %v", d))
		}
	}
	return v.use(ctx, func() error {
		err := v.handle.SetConfig(&moby.Config{TimeoutTCP: t.TCP, TimeoutTCPFin: t.TCPFin, TimeoutUDP: t.UDP})
		if err != nil {
			return fmt.Errorf("ipvs: set timeouts: %w", kernelError(err))
		}
		return nil
	})
}

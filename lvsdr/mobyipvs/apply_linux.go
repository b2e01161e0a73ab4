package mobyipvs

import (
	"context"
	"fmt"

	moby "github.com/moby/ipvs"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// Apply implements [host.IPVS], with a message a command. What was added, set or
// removed is then read back; what is not so is a refusal of its command. The error is
// an [*ipvs.ApplyError].
func (v *View) Apply(ctx context.Context, commands []ipvs.Command) (int, error) {
	var result ipvs.ApplyError
	err := v.use(ctx, func() error {
		for i, c := range commands {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := kernelError(v.send(c)); err != nil {
				result.Refused = append(result.Refused, &ipvs.CommandError{Index: i, Command: c, Err: err})
			}
			result.Attempted = i + 1
		}
		return v.readBack(commands, &result)
	})
	switch {
	case err != nil && ctx.Err() != nil: // the goroutine may be at work on result still
		return 0, fmt.Errorf("ipvs: %w: %w", ipvs.ErrLost, err)
	case err == nil && len(result.Refused) == 0:
		return len(commands), nil
	}
	result.Err = err
	if len(result.Refused) > 0 {
		return result.Refused[0].Index, &result
	}
	return result.Attempted, &result
}

// send carries out one command.
func (v *View) send(c ipvs.Command) error {
	s, d, err := convert(c)
	if err != nil {
		return err
	}
	switch c.Op {
	case ipvs.AddService:
		return v.handle.NewService(s)
	case ipvs.SetService:
		return v.handle.UpdateService(s)
	case ipvs.RemoveService:
		return v.handle.DelService(s)
	case ipvs.AddDestination:
		return v.handle.NewDestination(s, d)
	case ipvs.SetDestination:
		return v.handle.UpdateDestination(s, d)
	}
	return v.handle.DelDestination(s, d)
}

// convert returns what of a command counts, which is checked before it is sent.
func convert(c ipvs.Command) (s *moby.Service, d *moby.Destination, err error) {
	switch {
	case c.Op < ipvs.AddService || c.Op > ipvs.RemoveDestination:
		return nil, nil, invalid("unknown command")
	case c.Service == nil:
		return nil, nil, invalid("no service given")
	case c.Op == ipvs.AddService || c.Op == ipvs.SetService:
		s, err = ToService(*c.Service)
		return s, nil, err
	}
	if s, err = toID(c.Service.ID); err != nil || c.Op == ipvs.RemoveService {
		return s, nil, err
	}
	switch {
	case c.Destination == nil:
		return nil, nil, invalid("no real server given")
	case c.Op == ipvs.RemoveDestination: // its settings do not matter
		d, err = ToDestination(ipvs.Destination{Addr: c.Destination.Addr, Port: c.Destination.Port}, c.Service.Addr)
	default:
		d, err = ToDestination(*c.Destination, c.Service.Addr)
	}
	return s, d, err
}

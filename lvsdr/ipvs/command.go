package ipvs

import (
	"strings"
	"time"
)

// maxPersistence is that of ipvsadm(8): 31 days. A little more overflows the
// kernel's count of ticks.
const maxPersistence = 31 * 24 * time.Hour

var genlCommands = [...]uint8{
	AddService:        cmdNewService,
	SetService:        cmdSetService,
	RemoveService:     cmdDelService,
	AddDestination:    cmdNewDest,
	SetDestination:    cmdSetDest,
	RemoveDestination: cmdDelDest,
}

// appendCommand appends the command as one message. It fails, appending nothing,
// where the command cannot be put into a message or would mean something else to
// the kernel than it says.
func appendCommand(b []byte, c Command, family uint16, seq uint32) ([]byte, error) {
	if err := c.check(); err != nil {
		return b, err
	}
	start := len(b)
	b = openMessage(b, family, 0, seq, genlCommands[c.Op])
	b = appendService(b, c.Service, c.Op == AddService || c.Op == SetService)
	if c.Op.onDestination() {
		b = appendDestination(b, c.Destination, c.Op != RemoveDestination)
	}
	closeMessage(b, start)
	return b, nil
}

func (c Command) check() error {
	switch {
	case c.Op < AddService || c.Op > RemoveDestination:
		return invalid("unknown command")
	case c.Service == nil:
		return invalid("no service given")
	case c.Op.onDestination():
		return c.checkDestination()
	case c.Op == RemoveService:
		return c.Service.ID.check()
	}
	return c.Service.check()
}

func (c Command) checkDestination() error {
	switch {
	case c.Destination == nil:
		return invalid("no real server given")
	case family(c.Destination.Addr) == 0 || c.Destination.Addr.Zone() != "":
		return invalid("a real server's address must be a plain IPv4 or IPv6 address, not %v", c.Destination.Addr)
	case c.Destination.Forwarding&^forwardingMask != 0:
		return invalid("unknown forwarding method %d", c.Destination.Forwarding)
	}
	return c.Service.ID.check()
}

func (id ID) check() error {
	if family(id.Addr) == 0 || id.Addr.Zone() != "" {
		return invalid("a service's address must be a plain IPv4 or IPv6 address, not %v", id.Addr)
	}
	return nil
}

func (s *Service) check() error {
	bits := 128
	if s.Addr.Is4() {
		bits = 32
	}
	switch {
	case s.Netmask < 0 || s.Netmask > bits:
		return invalid("a persistence netmask must be 1 to %d bits, not %d", bits, s.Netmask)
	case s.Persistence < 0 || s.Persistence > maxPersistence || s.Persistence%time.Second != 0:
		return invalid("persistence must be whole seconds up to 31 days, not %v", s.Persistence)
	case !validName(s.Scheduler) || s.Scheduler == "":
		return invalid("a scheduler's name must be 1 to %d letters, not %q", maxNameLen, s.Scheduler)
	case !validName(s.PE):
		return invalid("a persistence engine's name must be up to %d letters, not %q", maxNameLen, s.PE)
	}
	return s.ID.check()
}

func validName(s string) bool {
	return len(s) <= maxNameLen && strings.IndexByte(s, 0) < 0
}

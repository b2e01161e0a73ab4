package cluster

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
)

// ErrByHand: a file's text is such that an edit of it would not be safe.
var ErrByHand = errors.New("this is to be changed by hand")

// A ServerEdit changes one real server of a configuration, in every service that lists
// it or in some of them.
type ServerEdit struct {
	Address netip.Addr
	Only    func(Service) bool // nil: every service
	Weight  *int               // nil leaves it
	Drained *bool              // nil leaves it
	Remove  bool               // take it out
}

// concerns tells which real server of a service the edit is for, -1 for none.
func (e ServerEdit) concerns(s Service) int {
	if e.Only != nil && !e.Only(s) {
		return -1
	}
	return slices.IndexFunc(s.RealServers, func(r RealServer) bool { return r.Address == e.Address })
}

// Apply returns the configuration with the change, and in how many services it is one
// or was made before.
func (e ServerEdit) Apply(c Config) (changed Config, services int) {
	c.Services = slices.Clone(c.Services)
	for i := range c.Services {
		s := &c.Services[i]
		at := e.concerns(*s)
		if at < 0 {
			continue
		}
		services++
		s.RealServers = slices.Clone(s.RealServers)
		if e.Remove {
			s.RealServers = slices.Delete(s.RealServers, at, at+1)
			continue
		}
		if e.Weight != nil {
			weight := *e.Weight
			s.RealServers[at].Weight = &weight
		}
		if e.Drained != nil {
			s.RealServers[at].Drained = *e.Drained
		}
	}
	return c, services
}

// Write makes the change in the text of a configuration and leaves all else of it,
// comments and order too. It is refused with [ErrByHand] unless the new text reads as
// exactly the changed configuration: so are aliases that others share.
func (e ServerEdit) Write(file string, text []byte) ([]byte, error) {
	before, err := ParseConfig(file, text)
	if err != nil {
		return nil, err
	}
	want, _ := e.Apply(before)
	if reflect.DeepEqual(want, before) {
		return text, nil
	}
	root, err := source{file, text}.parse()
	if err != nil {
		return nil, err
	}
	w := textEdit{text: text, lines: lineStarts(text)}
	services := child(root, "services")
	for i, s := range before.Services {
		if at := e.concerns(s); at >= 0 {
			list := target(child(target(target(services).Content[i]), "realServers"))
			w.server(e, list, at, s.RealServers[at])
		}
	}
	after := w.result()
	if got, err := ParseConfig(file, after); w.lost || err != nil || !reflect.DeepEqual(got, want) {
		return nil, ErrByHand
	}
	return after, nil
}

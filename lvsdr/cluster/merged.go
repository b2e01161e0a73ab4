package cluster

import (
	"reflect"
	"slices"
)

// Merged joins the services of a VIP that are alike but for their ports, as a person
// would write them. It means the same.
func (c Config) Merged() Config {
	var all []Service
	for _, s := range c.Services {
		s.Ports = slices.Clone(s.AllPorts())
		i := slices.IndexFunc(all, func(before Service) bool { return alike(before, s) })
		if i < 0 {
			all = append(all, s)
			continue
		}
		all[i].Ports = append(all[i].Ports, s.Ports...)
	}
	c.Services = all
	return c
}

// alike tells whether two services differ in their ports alone.
func alike(a, b Service) bool {
	if a.VIP != b.VIP || len(a.RealServers) != len(b.RealServers) {
		return false
	}
	a.Ports, b.Ports = nil, nil
	return reflect.DeepEqual(a, b)
}

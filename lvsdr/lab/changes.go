//go:build linux

package lab

import (
	"net/netip"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// A Change is one of a running cluster's description.
type Change struct {
	Name string
	Make func(*cluster.Config)
	// Refuses: the kernel itself refuses new connections for a moment, whoever asks for
	// the change: it takes a scheduler off before it binds the next
	// (ip_vs_edit_service in net/netfilter/ipvs/ip_vs_ctl.c).
	Refuses bool
}

// Changes are one of each kind, to be made one after the other, each over those before,
// of a cluster that has [VIP] with two real servers, [RIP] 0 and 1. RIP(1) is taken out
// three times and comes back each time; nobody else's connections may notice any of them.
func Changes() []Change {
	return []Change{
		{Name: "a weight", Make: func(c *cluster.Config) { c.Services[0].RealServers = weighted(3, 1) }},
		{Name: "a real server out", Make: without},
		{Name: "a real server in", Make: func(c *cluster.Config) { c.Services[0].RealServers = weighted(3, 1) }},
		{Name: "a VIP in, its port opened", Make: func(c *cluster.Config) {
			c.Services = append(c.Services, cluster.Service{VIP: netip.MustParseAddr("10.10.10.23"), RealServers: weighted(1, 1)})
		}},
		{Name: "a VIP out, its port closed", Make: func(c *cluster.Config) { c.Services = c.Services[:1] }},
		{Name: "a port in, opened", Make: func(c *cluster.Config) {
			c.Services[0].Ports = []cluster.Port{{Number: 80, Protocol: cluster.TCP}, {Number: 53, Protocol: cluster.UDP}}
		}},
		{Name: "a port out, closed", Make: func(c *cluster.Config) { c.Services[0].Ports = c.Services[0].Ports[:1] }},
		{Name: "persistence on", Make: func(c *cluster.Config) { c.Services[0].Persistence = cluster.Duration(20 * time.Second) }},
		{Name: "persistence off", Make: func(c *cluster.Config) { c.Services[0].Persistence = 0 }},
		{Name: "the scheduler lc", Make: scheduled("lc"), Refuses: true},
		{Name: "the scheduler sh", Make: scheduled("sh", "sh-port"), Refuses: true},
		{Name: "a real server out under sh", Make: without},
		{Name: "a real server in under sh", Make: func(c *cluster.Config) { c.Services[0].RealServers = weighted(1, 1) }},
		{Name: "the scheduler mh", Make: scheduled("mh", "mh-port"), Refuses: true},
		{Name: "a real server out under mh", Make: without},
		{Name: "a real server in under mh", Make: func(c *cluster.Config) { c.Services[0].RealServers = weighted(1, 1) }},
	}
}

func scheduled(name string, flags ...string) func(*cluster.Config) {
	return func(c *cluster.Config) { c.Services[0].Scheduler, c.Services[0].SchedulerFlags = name, flags }
}

// without takes out the last real server.
func without(c *cluster.Config) { c.Services[0].RealServers = c.Services[0].RealServers[:1] }

// weighted are real servers with these weights.
func weighted(weights ...int) (all []cluster.RealServer) {
	for i, weight := range weights {
		all = append(all, cluster.RealServer{Address: RIP(i), Weight: &weight})
	}
	return all
}

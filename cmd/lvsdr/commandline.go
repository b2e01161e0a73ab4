package main

import (
	"fmt"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// flagsOf writes a configuration of one service as flags; nil when that is not to
// be had, as a command line has one scheduler for all.
func flagsOf(c cluster.Config) []string {
	if len(c.Services) != 1 {
		return nil
	}
	s := c.Services[0]
	args := []string{"--vip", s.VIP.String()}
	for _, p := range s.Ports {
		args = append(args, "--port", p.String())
	}
	for _, r := range s.RealServers {
		if r.UpperThreshold != 0 || r.LowerThreshold != 0 {
			return nil
		}
		args = append(args, "--real-server", fmt.Sprintf("%s=%d", r.Address, *r.Weight))
		if r.Drained {
			args = append(args, "--drained", r.Address.String())
		}
	}
	for _, f := range []struct{ name, value string }{
		{"--scheduler", s.Scheduler}, {"--scheduler-flags", strings.Join(s.SchedulerFlags, ",")},
	} {
		if f.value != "" {
			args = append(args, f.name, f.value)
		}
	}
	if s.Persistence != 0 {
		args = append(args, "--persistence", s.Persistence.String())
	}
	if s.PersistenceNetmask != 0 {
		args = append(args, "--persistence-netmask", fmt.Sprint(s.PersistenceNetmask))
	}
	if s.OnePacket {
		args = append(args, "--one-packet")
	}
	return args
}

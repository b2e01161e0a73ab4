package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// whole refuses flags of teardown that describe something else than all that is set up:
// it gives the whole role back.
func (s *session) whole(ctx context.Context, c *cli.Command, role string) error {
	if len(givenFlags(c, serviceFlags())) == 0 {
		return nil
	}
	given, err := parseFlags(c)
	if err != nil {
		return err
	}
	known, unit, err := s.setUpHere(ctx, c, role)
	if err != nil || len(known.Services) == 0 {
		return err
	}
	vips := known.VIPs()
	strange := slices.DeleteFunc(given.VIPs(), func(v netip.Addr) bool { return slices.Contains(vips, v) })
	e := usage("teardown gives the whole %s back, with %s, and the flags describe a part of it", spoken(role), joinAddrs(vips))
	switch {
	case len(strange) > 0:
		e = usage("%s is no VIP of this %s: it has %s, and teardown gives the whole role back", joinAddrs(strange), spoken(role), joinAddrs(vips))
		e.hint = "leave the flags out: lvsdr teardown " + role
		return e
	case sameAddrs(given.VIPs(), vips) && (!c.IsSet("port") || samePorts(given.Config, known)) &&
		(!c.IsSet("real-server") || sameAddrs(given.RIPs(), known.RIPs())):
		return nil
	}
	e.hint = "leave the flags out for all of it; for a part, set up without it: " + unit.without(role, given.VIPs(), vips)
	return e
}

// setUpHere is the cluster as set-up was told it, or of it the VIPs alone.
func (s *session) setUpHere(ctx context.Context, c *cli.Command, role string) (cluster.Config, installedUnit, error) {
	unit, err := s.installedAs(role)
	if err == nil {
		return unit.Config, unit, nil
	}
	if s.sys.image != "" {
		return cluster.Config{}, unit, nil
	}
	addresses, err := step.VIPsOf(ctx, s.sys.host())
	var known cluster.Config
	for _, a := range addresses {
		known.Services = append(known.Services, cluster.Service{VIP: a.Prefix.Addr()})
	}
	return known, unit, err
}

// without is what to do to be set up without some of the VIPs.
func (u installedUnit) without(role string, gone, all []netip.Addr) string {
	command := host.ShellLine("lvsdr", "setup", role)
	if u.plain.file != "" {
		return "take it out of " + u.plain.file + ", then " + command
	}
	if len(gone) >= len(all) || len(u.Args) == 0 {
		return command + " with the rest of the flags"
	}
	words := []string{"lvsdr", "setup", role}
	for i := 0; i < len(u.Args); i++ {
		if u.Args[i] == "--vip" && i+1 < len(u.Args) {
			if vip, err := cluster.ParseAddress(u.Args[i+1]); err == nil && slices.Contains(gone, vip) {
				i++
				continue
			}
		}
		words = append(words, u.Args[i])
	}
	return host.ShellLine(words...)
}

func sameAddrs(a, b []netip.Addr) bool {
	sorted := func(all []netip.Addr) []netip.Addr {
		all = slices.Clone(all)
		slices.SortFunc(all, netip.Addr.Compare)
		return slices.Compact(all)
	}
	return slices.Equal(sorted(a), sorted(b))
}

func samePorts(a, b cluster.Config) bool {
	ports := func(c cluster.Config) string {
		var all []string
		for _, s := range c.Services {
			if len(s.Ports) == 0 {
				s.Ports = []cluster.Port{{Number: 80}} // the default
			}
			for _, p := range s.Ports {
				p.Protocol = cmp.Or(p.Protocol, cluster.TCP)
				all = append(all, fmt.Sprint(s.VIP, " ", p))
			}
		}
		slices.Sort(all)
		return strings.Join(slices.Compact(all), "\n")
	}
	return ports(a) == ports(b)
}

// warnOfLost tells which sysctls stay because the drop-in with their values before was
// deleted by hand.
func (s *session) warnOfLost(role string) error {
	stay, err := step.LostSysctls(s.sys.host(), role)
	if len(stay) > 0 {
		s.report.Warnings = append(s.report.Warnings, fmt.Sprintf(
			"%s is gone, and with it the values before: %s stay as they are", step.DropInFile(role), strings.Join(stay, ", ")))
	}
	return err
}

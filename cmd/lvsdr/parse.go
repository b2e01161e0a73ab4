package main

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// parseFlags makes a configuration of the flags: every VIP with all ports and
// with the real servers of its address family.
func parseFlags(c *cli.Command) (source, error) {
	var src source
	for _, f := range serviceFlags() {
		src.repeat(c, f)
	}
	src.given = slices.Clone(src.args)
	vips, err := parseEach(c, "vip", cluster.ParseAddress)
	if err != nil {
		return source{}, err
	}
	if len(vips) == 0 {
		return source{}, errNothingGiven
	}
	service, err := parseService(c)
	if err != nil {
		return source{}, err
	}
	servers := service.RealServers
	for _, vip := range vips {
		service.VIP = vip
		service.RealServers = ofFamily(vip, vips, servers)
		src.Services = append(src.Services, service)
	}
	if src.Timeouts, err = parseOne(c, "timeouts", cluster.ParseTimeouts); err != nil {
		return source{}, err
	}
	if c.IsSet("drain") {
		drain, err := parseOne(c, "drain", cluster.ParseDuration)
		if err != nil {
			return source{}, err
		}
		src.Drain = &drain
	}
	return src, nil
}

// parseService reads what all services of a command line have in common.
func parseService(c *cli.Command) (s cluster.Service, err error) {
	var errs [4]error
	s.Ports, errs[0] = parseEach(c, "port", cluster.ParsePort)
	s.RealServers, errs[1] = parseEach(c, "real-server", cluster.ParseRealServer)
	s.Persistence, errs[2] = parseOne(c, "persistence", cluster.ParseDuration)
	s.PersistenceNetmask, errs[3] = parseOne(c, "persistence-netmask", parseNetmask)
	for _, err := range errs {
		if err != nil {
			return s, err
		}
	}
	if err := markDrained(c, s.RealServers); err != nil {
		return s, err
	}
	s.Scheduler = c.String("scheduler")
	if c.IsSet("scheduler") && s.Scheduler == "" {
		return s, usage("--scheduler needs a name: wrr, rr, wlc, …, see ipvsadm(8)")
	}
	if flags := c.String("scheduler-flags"); flags != "" {
		s.SchedulerFlags = strings.Split(flags, ",")
	}
	s.OnePacket = c.Bool("one-packet")
	return s, nil
}

// markDrained reads --drained.
func markDrained(c *cli.Command, servers []cluster.RealServer) error {
	drained, err := parseEach(c, "drained", cluster.ParseAddress)
	for _, a := range drained {
		i := slices.IndexFunc(servers, func(r cluster.RealServer) bool { return r.Address == a })
		if i < 0 {
			return usage("--drained %q: it is none of the real servers", a)
		}
		servers[i].Drained = true
	}
	return err
}

// ofFamily leaves out the real servers that only a VIP of the other family can
// have: a packet keeps its family under direct routing. A real server that fits
// no VIP at all stays, to be refused by name.
func ofFamily(vip netip.Addr, vips []netip.Addr, servers []cluster.RealServer) []cluster.RealServer {
	return slices.DeleteFunc(slices.Clone(servers), func(s cluster.RealServer) bool {
		fits := func(v netip.Addr) bool { return v.Is4() == s.Address.Is4() }
		return !fits(vip) && slices.ContainsFunc(vips, fits)
	})
}

// repeat writes the flag down as it was given.
func (src *source) repeat(c *cli.Command, f cli.Flag) {
	name := f.Names()[0]
	if !c.IsSet(name) {
		return
	}
	switch f.(type) {
	case *cli.StringSliceFlag:
		for _, value := range c.StringSlice(name) {
			src.args = append(src.args, "--"+name, value)
		}
	case *cli.BoolFlag:
		src.args = append(src.args, "--"+name)
	default:
		src.args = append(src.args, "--"+name, c.String(name))
	}
}

func parseEach[T any](c *cli.Command, flag string, parse func(string) (T, error)) ([]T, error) {
	var all []T
	for _, text := range c.StringSlice(flag) {
		value, err := parse(text)
		if err != nil {
			return nil, badValue(flag, text, err)
		}
		all = append(all, value)
	}
	return all, nil
}

// parseOne leaves the zero value where the flag is not given.
func parseOne[T any](c *cli.Command, flag string, parse func(string) (T, error)) (value T, err error) {
	if !c.IsSet(flag) {
		return value, nil
	}
	if value, err = parse(c.String(flag)); err != nil {
		return value, badValue(flag, c.String(flag), err)
	}
	return value, nil
}

// badValue names the flag, what stands there, and what is allowed.
func badValue(flag, text string, err error) error {
	reason := err.Error()
	var config *cluster.ConfigError
	if errors.As(err, &config) {
		reason = config.Reason
	}
	e := usage("--%s %q: %s", flag, text, reason)
	e.cause = err
	return e
}

// parseNetmask leaves the upper bound to the validation, which knows the VIP.
func parseNetmask(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, errors.New("a prefix length from 1 to 32, or 128 for IPv6, is wanted")
	}
	return n, nil
}

package main

import (
	"errors"

	"github.com/urfave/cli/v3"
)

// described is the cluster for a command on a role of this host, of whatever role it is
// set up in when role is empty. What is not given is as set-up was told, which stands in
// the unit: all of it where nothing describes the cluster, and what is about this host
// (--interface, --arp-interface, --firewall, --ignore) beside any description. The unit's own command
// line, with --runtime, is complete.
func (s *session) described(c *cli.Command, role string) (source, error) {
	unit, err := s.installed(role)
	if err != nil {
		return s.readSource(c)
	}
	if c.Bool("reassert") {
		src := unit.plain
		src.before = unit.told
		return src, src.thisHost(c)
	}
	src, err := s.readFileOrFlags(c)
	if !isGiven(c) && (unit.told.IsSet("config") || errors.Is(err, errNothingGiven)) {
		src, err = unit.plain, nil
		if src.file == "" {
			src.origin = unit.path
		}
	} else if c.Bool("runtime") {
		unit.told = nil
	}
	if err != nil {
		return source{}, err
	}
	src.before = unit.told
	s.detail("the cluster is described in %s", src.where())
	return src, src.thisHost(c)
}

// isGiven tells whether the command line describes the cluster.
func isGiven(c *cli.Command) bool {
	return c.IsSet("config") || len(givenFlags(c, serviceFlags())) > 0
}

// told is the command line that has a flag about this host: the one given, else the one
// that set-up was given; nil when neither has it.
func (src *source) told(c *cli.Command, flag string) *cli.Command {
	switch {
	case c.IsSet(flag):
		return c
	case src.before != nil && src.before.IsSet(flag):
		return src.before
	}
	return nil
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/units"
)

// source is where the cluster's description came from.
type source struct {
	cluster.Config
	file string   // empty when it was the command line
	name string   // the file's name as it was given
	text []byte   // what the file holds
	args []string // flags that give the same description from any directory

	given  []string     // flags of the command line that describe the cluster, for other hosts
	origin string       // where the flags stand when they were not given
	before *cli.Command // the command line that set-up was given; nil when it has no say

	addresses []netip.Addr // those by which this host says to be a real server
	listed    []netip.Addr // those of this host that the description lists
}

// where is the source in a sentence.
func (src *source) where() string {
	return cmp.Or(src.file, src.origin, "the command line")
}

// errNothingGiven: neither a file nor a flag describes the cluster.
var errNothingGiven = &usageError{
	text: "no VIP: say which address the cluster answers on with --vip ADDR",
	hint: "or describe the cluster in a file: --config FILE, or " + defaultConfig,
}

// readSource reads the cluster from the file or the flags of the command line.
func (s *session) readSource(c *cli.Command) (source, error) {
	src, err := s.readFileOrFlags(c)
	if err != nil {
		return source{}, err
	}
	s.detail("the cluster is described in %s", src.where())
	return src, src.thisHost(c)
}

func (s *session) readFileOrFlags(c *cli.Command) (source, error) {
	given := givenFlags(c, serviceFlags())
	switch {
	case c.IsSet("config") && len(given) > 0:
		return source{}, &usageError{
			text: given[0] + " does not go with --config: the file describes the service",
			hint: "change the file, or leave --config out and give everything as flags",
		}
	case c.IsSet("config"):
		return s.readConfigFile(c.String("config"))
	case len(given) > 0:
		return parseFlags(c)
	}
	src, err := s.readConfigFile(defaultConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return source{}, errNothingGiven
	}
	return src, err
}

func (s *session) readConfigFile(name string) (source, error) {
	if name == "" {
		return source{}, usage("--config needs the name of a file")
	}
	full := name
	if !filepath.IsAbs(full) {
		full = filepath.Join(s.sys.dir, full)
	}
	data, err := s.sys.readFile(full)
	if err != nil {
		return source{}, usage("cannot read the configuration%s: %w", s.inside(), err)
	}
	return s.parseConfigFile(full, name, data)
}

// parseConfigFile reads what a file of this name holds.
func (s *session) parseConfigFile(full, name string, data []byte) (source, error) {
	config, err := cluster.ParseConfig(name, data)
	if err != nil {
		return source{}, err
	}
	return source{Config: config, file: full, name: name, text: data, args: []string{"--config", full}}, nil
}

// thisHost lets the flags about this host override what the file says for all.
func (src *source) thisHost(c *cli.Command) error {
	src.args = slices.Clip(src.args)
	if from := src.told(c, "interface"); from != nil {
		src.Interface = from.String("interface")
		if src.Interface == "" {
			return usage("--interface needs the name of an interface")
		}
		src.Services = slices.Clone(src.Services)
		for i := range src.Services {
			src.Services[i].Interface = "" // this host has one
		}
		src.args = append(src.args, "--interface", src.Interface)
	}
	if from := src.told(c, "firewall"); from != nil {
		src.Firewall = from.String("firewall")
		if src.Firewall == "" {
			return usage("--firewall needs a name: auto, firewalld, ufw, nftables, iptables or none")
		}
		src.args = append(src.args, "--firewall", src.Firewall)
	}
	if from := src.told(c, "arp-interface"); from != nil {
		src.ARPInterfaces = from.StringSlice("arp-interface")
		if slices.Equal(src.ARPInterfaces, []string{"all"}) {
			src.ARPInterfaces = nil
		}
		for _, name := range src.ARPInterfaces {
			src.args = append(src.args, "--arp-interface", name)
		}
	}
	if err := src.verify(c); err != nil {
		return err
	}
	var err error
	src.addresses, err = parseEach(c, "address", cluster.ParseAddress)
	return err
}

// allArgs are the flags with the addresses by which this host says to be a real server.
func (src *source) allArgs() []string {
	args := slices.Clone(src.args)
	if slices.Contains(args, "--address") {
		return args
	}
	for _, a := range src.addresses {
		args = append(args, "--address", a.String())
	}
	return args
}

// formerAddresses are those by which this host was said to be a real server. They count
// only where it has no address that is listed.
func (src *source) formerAddresses() ([]netip.Addr, error) {
	if src.before == nil {
		return nil, nil
	}
	return parseEach(src.before, "address", cluster.ParseAddress)
}

// verify reads --verify, which the unit keeps.
func (src *source) verify(c *cli.Command) error {
	from := src.told(c, "verify")
	if from == nil {
		return nil
	}
	text := from.String("verify")
	if _, err := units.ParseVerify(text); err != nil {
		return usage("--verify %q: %w: how often, as 1m or 30s; 0 is never", text, err)
	}
	src.args = append(src.args, "--verify", text)
	return nil
}

// ignore reads --ignore, which the unit repeats at boot.
func (src *source) ignore(c *cli.Command) ([]string, error) {
	from := src.told(c, "ignore")
	if from == nil {
		return nil, nil
	}
	ignored, err := codes(from, "ignore")
	for _, code := range ignored {
		src.args = append(src.args, "--ignore", code)
	}
	return ignored, err
}

// givenFlags are those of the flags that stand on the command line.
func givenFlags(c *cli.Command, flags []cli.Flag) []string {
	var given []string
	for _, f := range flags {
		if name := f.Names()[0]; c.IsSet(name) {
			given = append(given, "--"+name)
		}
	}
	return given
}

// tell names the flag, or the file, that a wrong value came from.
func (src *source) tell(err error) error {
	var wrong *cluster.ConfigError
	if !errors.As(err, &wrong) || wrong.File != "" {
		return err
	}
	e := &usageError{}
	var texts []string
	var located []error
	for _, err := range each(err) {
		err = src.locate(err)
		located = append(located, err)
		text := err.Error()
		if errors.As(err, &wrong) {
			text = src.place(wrong)
			if wrong.Text == "" && strings.HasSuffix(wrong.Path, "realServers") && src.file == "" {
				e.hint = "give each one: --real-server ADDR[=WEIGHT]"
			}
		}
		texts = append(texts, text)
	}
	e.text, e.cause = strings.Join(texts, "\n"), errors.Join(located...)
	return e
}

// locate adds the place in the file, unless a flag about this host stands before what
// the file says.
func (src *source) locate(err error) error {
	var wrong *cluster.ConfigError
	if src.text == nil || !errors.As(err, &wrong) || slices.Contains(src.args, flagOf(wrong.Path)) {
		return err
	}
	return cluster.LocateError(err, src.name, src.text)
}

// place renders one error with where to mend it.
func (src *source) place(wrong *cluster.ConfigError) string {
	flag := flagOf(wrong.Path)
	given := slices.Contains(src.args, flag) // --interface and --firewall go with a file
	if src.file != "" && !given {
		located := *wrong
		located.File = cmp.Or(located.File, src.file)
		return located.Error()
	}
	if wrong.Text == "" {
		return flag + ": " + wrong.Reason
	}
	return fmt.Sprintf("%s %q: %s", flag, wrong.Text, wrong.Reason)
}

// each takes joined errors apart.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// flagOf is the flag that fills the place of a path such as
// "services[0].realServers[1].weight".
func flagOf(path string) string {
	parts := strings.Split(path, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		name, _, _ := strings.Cut(parts[i], "[")
		if flag, ok := flagOfKey[name]; ok {
			return flag
		}
	}
	return path
}

var flagOfKey = map[string]string{
	"vip": "--vip", "ports": "--port", "realServers": "--real-server",
	"address": "--real-server", "weight": "--real-server", "drained": "--drained",
	"scheduler": "--scheduler", "schedulerFlags": "--scheduler-flags",
	"persistence": "--persistence", "persistenceNetmask": "--persistence-netmask",
	"onePacket": "--one-packet", "timeouts": "--timeouts", "drain": "--drain",
	"interface": "--interface", "arpInterfaces": "--arp-interface", "firewall": "--firewall",
}

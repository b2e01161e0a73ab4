package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var examinedRoles = []string{cluster.DirectorRole, cluster.RealServerRole, cluster.ClientRole}

// patient is this host as the doctor examines it.
type patient struct {
	host *host.Host
	role lvsdr.Role
	src  source

	only, ignored []string
	passive       bool
	client        netip.Addr
	link          string       // the LAN interface, where it was given
	atBoot        func() error // why set-up is refused what the unit tells it
	unitText      []byte       // of the unit that set-up is told by
	found         bool         // the description was found on the host itself: set-up might refuse it
	install       bool         // what is missing
}

// exam is a fresh look.
func (p *patient) exam() *doctor.Exam {
	e := p.role.Exam(p.host)
	e.AtBoot, e.Described = p.atBoot, p.src.given
	e.Only, e.Ignore, e.Passive, e.Client, e.Interface = p.only, p.ignored, p.passive, p.client, p.link
	if args := p.src.allArgs(); len(args) > 0 && p.role.Name != cluster.ClientRole {
		e.SetUp = host.ShellLine(append([]string{"lvsdr", "setup", p.role.Name}, args...)...)
	}
	return e
}

// findPatient finds the role and the description of the cluster: what is given,
// else what lvsdr left on this host, else what the host shows.
func (s *session) findPatient(ctx context.Context, c *cli.Command) (*patient, error) {
	p := &patient{host: s.sys.host(), passive: c.Bool("passive"), link: c.String("interface")}
	name, err := s.begin(c, examinedRoles)
	if err != nil {
		return nil, err
	}
	if p.only, err = codes(c, "only"); err != nil {
		return nil, err
	}
	if p.ignored, err = codes(c, "ignore"); err != nil {
		return nil, err
	}
	if p.client, err = parseOne(c, "client", cluster.ParseAddress); err != nil {
		return nil, err
	}
	why := ""
	if name == "" {
		if name, err = s.roleToName(); err != nil {
			return nil, err
		}
		if name != "" {
			why = "lvsdr set it up"
		}
	}
	if err := s.fillIn(ctx, c, p, name, why); err != nil {
		return nil, err
	}
	s.report.Role = p.role.Name
	for _, code := range p.only {
		if !slices.ContainsFunc(p.role.Checks, func(c *doctor.Check) bool { return c.Code == code }) {
			return nil, usage("--only %q: not a check of a %s", code, spoken(p.role.Name))
		}
	}
	return p, nil
}

// roleToName is the role of the marks on this host, empty when there are none.
func (s *session) roleToName() (string, error) {
	roles, err := step.Roles(s.sys.host())
	switch {
	case err != nil || len(roles) == 0:
		return "", err
	case len(roles) > 1:
		return "", &hintError{errors.New("this host has marks of both roles"), "name one: lvsdr doctor director, or lvsdr doctor realserver"}
	}
	return roles[0], nil
}

// fillIn fills in the role and the source, and tells what of it was not given. Why
// is how the name of the role was found, when it was not given.
func (s *session) fillIn(ctx context.Context, c *cli.Command, p *patient, name, why string) (err error) {
	p.src, err = s.described(c, name)
	given := isGiven(c)
	installed, unitErr := s.installed(name)
	switch {
	case err == nil && name == "" && !given && unitErr == nil:
		name = installed.Role
	case err == nil && name == "":
		name, why, err = doctor.Recognise(ctx, s.sys.host(), p.src.Config)
	case !errors.Is(err, errNothingGiven):
	default:
		if !errors.Is(unitErr, fs.ErrNotExist) {
			err = fmt.Errorf("%w; and the unit that set-up wrote cannot be used: %w", err, unitErr)
		}
		if name == "" {
			why = "it has virtual services"
		}
		name, p.src, err = s.found(ctx, name, err)
		p.found = true
	}
	if err == nil {
		err = p.asBefore(c)
	}
	if err != nil {
		return err
	}
	if why != "" || !given {
		s.note("this host is examined as a %s%s, the cluster is described in %s", spoken(name), inBrackets(why), p.src.where())
	}
	p.atBoot = func() error { return s.refusedAtBoot(name) }
	if p.role, err = s.roleToExamine(ctx, name, p); err != nil || name == cluster.ClientRole || p.found {
		return err
	}
	return s.addUnit(p, installed, unitErr == nil)
}

// asBefore heeds what set-up was told of this host. What the doctor alone is told to
// ignore is not written anywhere.
func (p *patient) asBefore(c *cli.Command) error {
	if from := p.src.told(c, "interface"); from != nil {
		p.link = from.String("interface")
	}
	if p.src.before == nil {
		return nil
	}
	ignored, err := p.src.ignore(p.src.before)
	p.ignored = append(slices.Clip(p.ignored), ignored...)
	return err
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func (s *session) roleToExamine(ctx context.Context, name string, p *patient) (lvsdr.Role, error) {
	if p.found {
		return lvsdr.Examined(name, p.src.Config)
	}
	role, err := s.makeRole(ctx, name, &p.src)
	if traces, _ := step.Roles(s.sys.host()); !errors.Is(err, errNotListed) || slices.Contains(traces, name) {
		return role, err
	}
	s.note("%v: it is examined as a real server of all services there", err)
	return lvsdr.Examined(name, p.src.Config)
}

// addUnit has the unit be what it was written as, where that says the same as the
// description: "-r A" and "-r A=1" are no difference. On a host that was set up with
// --runtime, what outlives a reboot is not missed.
func (s *session) addUnit(p *patient, installed installedUnit, known bool) error {
	lasting, err := step.Lasting(s.sys.host(), p.role.Name)
	if err != nil {
		return err
	}
	traces, err := step.Roles(s.sys.host())
	if err != nil {
		return err
	}
	if !lasting && !known && slices.Contains(traces, p.role.Name) {
		host := *p.host
		host.Runtime = true
		p.host = &host
		s.note("set up with --runtime: nothing of it outlives a reboot")
	}
	step := s.unitStep(p.role.Name, p.src)
	if known && installed.Config.Equal(p.src.Config) {
		step.Unit = installed.Unit
		p.src.args = installed.Args
	}
	p.role.Steps = append(p.role.Steps, step)
	return nil
}

// found takes the host itself for the description: a director's IPVS table, what
// lvsdr brought to a real server. Otherwise is the error when it shows nothing.
func (s *session) found(ctx context.Context, name string, otherwise error) (string, source, error) {
	role := name
	if role == "" {
		role = cluster.DirectorRole
	}
	if role == cluster.ClientRole {
		return "", source{}, otherwise
	}
	config, err := doctor.Found(ctx, s.sys.host(), role)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrNoIPVS):
		return "", source{}, otherwise
	case errors.Is(err, fs.ErrPermission):
		return "", source{}, &hintError{fmt.Errorf("%w, and the IPVS table cannot be read: %w", otherwise, err), hintRoot}
	case err != nil:
		return "", source{}, err
	}
	where := "its IPVS table"
	if role == cluster.RealServerRole {
		where = "what lvsdr brought here"
	}
	return role, source{Config: config, file: where, args: flagsOf(config)}, nil
}

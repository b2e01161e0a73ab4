package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func setupCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "setup",
		Usage:     "bring this host to its role, now and after every reboot",
		ArgsUsage: "[director|realserver]",
		Flags:     setupFlags(),
		Action:    func(ctx context.Context, c *cli.Command) error { return s.setup(ctx, c, c.Bool("dry-run")) },
		Description: `Makes exactly the changes that "lvsdr plan" prints. Run again it makes none; run
again with another description of the cluster it makes the difference, without
breaking connections. "lvsdr teardown" gives everything back.

It begins by checking what it could not mend, and ends by checking that the cluster
works, as "lvsdr doctor" does; when it does not, it says what is wrong and on which
host, with exit status 1. --passive leaves the other hosts out of it, for hosts that
are set up at the same time; --runtime, at boot, leaves the end out.

Without a role it is found by looking for this host's addresses among the file's
realServers and directors. It needs root, or the capabilities CAP_NET_ADMIN and, on a director,
CAP_NET_RAW.`,
		UsageText: `# on each real server
lvsdr setup realserver --vip 10.10.10.22
# on the director, last
lvsdr setup director --vip 10.10.10.22 -r 10.10.10.31=1 -r 10.10.10.32=1
# on every host alike, with the cluster in a file
lvsdr setup --config cluster.yaml`,
	}
}

func planCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "print the changes that setup would make, make none",
		ArgsUsage: "[director|realserver]",
		Flags:     planFlags(),
		Action:    func(ctx context.Context, c *cli.Command) error { return s.setup(ctx, c, true) },
		Description: `One line a change: the step, what is done, the object, the value before -> after.
The same as "lvsdr setup --dry-run". It changes nothing; where the firewall or IPVS can be read by
root only, it needs root too.`,
		UsageText: `lvsdr plan realserver --vip 10.10.10.22`,
	}
}

// setup prints (dryRun) or makes the changes that bring the host to its role.
func (s *session) setup(ctx context.Context, c *cli.Command, dryRun bool) error {
	s.report = &report{DryRun: dryRun, reassert: c.Bool("reassert")}
	p, err := s.prepare(ctx, c)
	if s.report.reassert && errors.Is(err, errUnitGone) {
		return nil
	}
	if err != nil {
		return err
	}
	p.install = c.Bool("install")
	if err := s.mayInstall(p.install, p.host.Runtime); err != nil {
		return err
	}
	if dryRun && p.install {
		if told, err := s.planInstall(ctx, p); told || err != nil {
			return err
		}
	}
	if dryRun {
		if !p.host.Image {
			s.foresee(p.exam().Foresee(ctx))
		}
		s.report.Changes, err = p.role.Plan(ctx, p.host, step.Present)
		return err
	}
	if err := s.pause(ctx, p.role.Name, p.src.allArgs()); err != nil {
		return err
	}
	err = s.change(ctx, p.host, func(ctx context.Context, h *host.Host) error { return s.bring(ctx, p, h) })
	if s.report.reassert {
		err = s.settled(ctx, c, err)
	}
	if err != nil {
		return err
	}
	if err := s.startUnit(ctx); err != nil {
		return err
	}
	if p.host.Image {
		return s.warnOfImage()
	}
	if p.host.Runtime || s.sys.unproved { // at boot, the other hosts may boot later
		return s.warnOfConflicts(ctx)
	}
	return s.prove(ctx, p)
}

// onlyProves tells whether nothing is due, so that nothing can be touched and the proof
// says all that the preflight would: the LAN is asked once and not twice.
func (s *session) onlyProves(ctx context.Context, h *host.Host, p *patient) bool {
	if p.host.Runtime || s.sys.unproved {
		return false // there is no proof
	}
	due, err := p.role.Plan(ctx, h, step.Present)
	return err == nil && len(due) == 0
}

// bring makes the changes, when nothing speaks against them. The caller holds the lock.
func (s *session) bring(ctx context.Context, p *patient, h *host.Host) error {
	if s.report.reassert && s.outdated(p) {
		return nil
	}
	if p.install {
		if err := s.install(ctx, p, h); err != nil {
			return err
		}
	}
	if !p.host.Image && !s.onlyProves(ctx, h, p) {
		if err := s.preflight(ctx, p); err != nil {
			return err
		}
	}
	s.report.back = s.wayBack(p)
	ctx, done := s.draining(ctx)
	defer done()
	made, err := p.role.Apply(ctx, h, step.Present)
	if len(s.report.Changes) > 0 {
		made = append(s.report.Changes, made...)
	}
	s.report.Changes = made
	return err
}

// warnOfConflicts tells what on this host works against the role's sysctls, where no
// proof does.
func (s *session) warnOfConflicts(ctx context.Context) error {
	conflicts, err := doctor.SysctlConflicts(ctx, s.sys.host(), s.report.Role)
	for _, c := range conflicts {
		s.report.Warnings = append(s.report.Warnings, c.String())
	}
	return err
}

// prepare reads everything there is to know before the host is touched.
func (s *session) prepare(ctx context.Context, c *cli.Command) (*patient, error) {
	name, err := s.begin(c, roleNames)
	if err != nil {
		return nil, err
	}
	p := &patient{host: s.sys.host(), passive: c.Bool("passive"), link: c.String("interface")}
	if s.report.reassert {
		p.unitText, err = s.unitText(c, name)
	}
	if err != nil {
		return nil, err
	}
	if p.src, err = s.described(c, name); err != nil {
		return nil, err
	}
	if from := p.src.told(c, "interface"); from != nil {
		p.link = from.String("interface")
	}
	if p.src.origin != "" {
		s.note("the cluster is described in %s", p.src.origin)
	}
	if !s.sys.host().Runtime {
		if err := s.warnUnlessLasting(&p.src); err != nil {
			return nil, err
		}
	}
	if p.ignored, err = p.src.ignore(c); err != nil {
		return nil, err
	}
	if name == "" {
		if name, err = s.findRole(ctx, p.src); err != nil {
			return nil, err
		}
		s.report.Role = name
	}
	if err := s.interfacesThere(ctx, p, name); err != nil {
		return nil, err
	}
	drain := p.src.Drain
	if c.Bool("force") { // this time only: the unit does not repeat it
		p.src.Drain = new(cluster.Duration)
	}
	p.role, err = s.makeRole(ctx, name, &p.src)
	p.src.Drain = drain
	p.role.Steps = append(p.role.Steps, s.unitStep(name, p.src))
	return p, err
}

// warnUnlessLasting fails where the description cannot be read again at boot, and warns
// where it may not be, or not as it is.
func (s *session) warnUnlessLasting(src *source) error {
	err := s.lasts(src)
	var loose *doctor.AtBootWarning
	if errors.As(err, &loose) {
		s.report.Warnings = append(s.report.Warnings, loose.What+"; "+loose.Advice)
		return nil
	}
	return err
}

// begin reads what the commands on roles have in common.
func (s *session) begin(c *cli.Command, roles []string) (role string, err error) {
	if err := checkOutput(c); err != nil {
		return "", err
	}
	if err := s.enterImage(c); err != nil {
		return "", err
	}
	s.sys.host().Runtime = c.Bool("runtime")
	s.report.root = s.sys.image
	s.report.Role, err = roleArgument(c, roles)
	return s.report.Role, err
}

// change makes changes to the host as the only lvsdr on it.
func (s *session) change(ctx context.Context, h *host.Host, do func(context.Context, *host.Host) error) error {
	if err := s.may(s.report.Role); err != nil {
		return err
	}
	waiting := s.sys.waiting
	waiting.Told = func(holder string) {
		if s.report == nil || !s.report.reassert {
			s.note("waiting for %s …", holder)
		}
	}
	held, unlock, err := h.Lock(ctx, waiting)
	if errors.Is(err, host.ErrLocked) {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	if err != nil {
		return err
	}
	defer unlock()
	return do(ctx, held)
}

// checkOutput refuses a format that is neither text nor json nor one of more.
func checkOutput(c *cli.Command, more ...string) error {
	formats := append([]string{"text", "json"}, more...)
	format := c.String("output")
	if !c.IsSet("output") || slices.Contains(formats, format) {
		return nil
	}
	last := len(formats) - 1
	return usage("--output %q: %s or %s", format, strings.Join(formats[:last], ", "), formats[last])
}

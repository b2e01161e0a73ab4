package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

const aboutServer = `It runs on the director. It is for all services that have the real server, or those that
--service names, and it is written down where the cluster is described: in the file, whose comments
and order stay, or in what set-up was told. With --runtime it is for the running table alone.`

func weightCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:        "weight",
		Usage:       "give a real server another share of the new connections",
		ArgsUsage:   "ADDR N",
		Flags:       slices.Concat(serverFlags(), messageFlags()),
		Action:      s.weight,
		Description: "Sets the weight in place, which breaks no connection, and ends a drain.\n" + aboutServer,
		UsageText:   "lvsdr weight 10.10.10.31 3",
	}
}

func drainCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "drain",
		Usage:     "keep new connections away from a real server, and wait for those it has to end",
		ArgsUsage: "ADDR",
		Flags: slices.Concat(serverFlags(), []cli.Flag{
			&cli.StringFlag{Name: "timeout", Category: hostFlags,
				Usage: "`DURATION` how long to wait (default: the cluster's drain, 30s)"},
			&cli.StringFlag{Name: "then", Category: hostFlags,
				Usage: "`WHAT` keep: leave it in its services, without new connections; remove: take it out (default: keep)"},
		}, messageFlags()),
		Action: s.drain,
		Description: "It ends with 0 when no connection is left, and with 1 when the time is over before that.\n" +
			"With --then remove those that are left are cut then. \"lvsdr undrain\" gives it its weight again.\n" + aboutServer,
		UsageText: `lvsdr drain 10.10.10.31 --timeout 5m
# and for good
lvsdr drain 10.10.10.31 --then remove`,
	}
}

func undrainCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:        "undrain",
		Usage:       "give a drained real server its weight again",
		ArgsUsage:   "ADDR",
		Flags:       slices.Concat(serverFlags(), messageFlags()),
		Action:      s.undrain,
		Description: aboutServer,
		UsageText:   "lvsdr undrain 10.10.10.31",
	}
}

// serverFlags are those of the commands on one real server.
func serverFlags() []cli.Flag {
	return append([]cli.Flag{&cli.StringSliceFlag{Config: trimmed, Name: "service", Category: clusterFlags,
		Usage: "`VIP[:PORT]` in this service only; repeatable (default: in all that have it)"}}, changeFlags()...)
}

func (s *session) weight(ctx context.Context, c *cli.Command) error {
	edit, err := s.serverEdit(c, 2)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(c.Args().Get(1))
	if err != nil || n < 0 || n > 65535 {
		return usage("weight %q: a weight is 0 to 65535", c.Args().Get(1))
	}
	undrained := false
	edit.Weight, edit.Drained = &n, &undrained
	return s.edit(ctx, c, edit, fmt.Sprintf("%s has weight %d", edit.Address, n))
}

func (s *session) undrain(ctx context.Context, c *cli.Command) error {
	edit, err := s.serverEdit(c, 1)
	if err != nil {
		return err
	}
	undrained := false
	edit.Drained = &undrained
	return s.edit(ctx, c, edit, edit.Address.String()+" is not drained")
}

func (s *session) drain(ctx context.Context, c *cli.Command) error {
	edit, err := s.serverEdit(c, 1)
	if err != nil {
		return err
	}
	wait, err := parseOne(c, "timeout", cluster.ParseDuration)
	if err != nil {
		return err
	}
	then := c.String("then")
	if then != "" && then != "keep" && then != "remove" {
		return usage("--then %q: keep or remove", then)
	}
	drained := true
	edit.Drained = &drained
	edit.gone = then == "remove"
	if err := s.edit(ctx, c, edit, edit.Address.String()+" is drained"); err != nil || s.report.DryRun {
		return err
	}
	if !c.IsSet("timeout") {
		wait = cluster.Duration(edit.patience)
	}
	left, err := s.awaitIdle(ctx, edit, time.Duration(wait))
	s.report.goOn = ""
	switch {
	case err != nil:
		s.report.goOn = goOn
		return err
	case edit.gone:
		edit.Remove = true
		return s.edit(ctx, c, edit, edit.Address.String()+" is in no service")
	case len(left) > 0:
		s.report.Draining = busyOnes(left)
		return &hintError{
			fmt.Errorf("%s are still open after %v; %s gets no new ones", step.JoinBusy(left), wait, edit.Address),
			"wait on: the same command again; or give it its weight back: " + host.ShellLine("lvsdr", "undrain", edit.Address.String()),
		}
	}
	s.report.ended = edit.Address.String() + " has no connections left"
	return nil
}

const goOn = "run the same command again to go on"

// awaitIdle waits without the lock: others may work meanwhile.
func (s *session) awaitIdle(ctx context.Context, edit *serverEdit, most time.Duration) ([]step.Busy, error) {
	s.report.goOn = goOn
	s.report.back = host.ShellLine("lvsdr", "undrain", edit.Address.String())
	ctx, done := s.draining(ctx)
	defer done()
	return step.AwaitIdle(ctx, s.sys.host(), most, edit.table)
}

// A serverEdit is one of these commands under way.
type serverEdit struct {
	cluster.ServerEdit
	services []servicePattern
	gone     bool // it is to be taken out in the end

	table    []step.ServerWeight // what it comes to in the table
	patience time.Duration       // the cluster's time to drain
}

// serverEdit reads what the commands on a real server have in common.
func (s *session) serverEdit(c *cli.Command, args int) (*serverEdit, error) {
	s.report = &report{Role: cluster.DirectorRole, DryRun: c.Bool("dry-run")}
	if err := checkOutput(c); err != nil {
		return nil, err
	}
	s.sys.host().Runtime = c.Bool("runtime")
	if c.NArg() != args {
		e := usage("lvsdr %s %s: %d arguments are given", c.Name, c.ArgsUsage, c.NArg())
		e.hint = "for instance: lvsdr " + c.Name + " 10.10.10.31" + map[int]string{1: "", 2: " 3"}[args]
		return nil, e
	}
	address, err := cluster.ParseAddress(c.Args().First())
	if err != nil {
		e := usage("real server %q: %s", c.Args().First(), reasonOf(err))
		return nil, e
	}
	edit := &serverEdit{ServerEdit: cluster.ServerEdit{Address: address}, patience: cluster.DefaultDrain}
	edit.services, err = parseEach(c, "service", parsePattern)
	return edit, err
}

func reasonOf(err error) string {
	var wrong *cluster.ConfigError
	if errors.As(err, &wrong) {
		return wrong.Reason
	}
	return err.Error()
}

// edit makes the change in the table and where the cluster is described, as the only
// lvsdr on the host. Already is what to say when there is nothing to do.
func (s *session) edit(ctx context.Context, c *cli.Command, edit *serverEdit, already string) error {
	s.report.already = already
	all := func(ctx context.Context, h *host.Host) error {
		steps, err := s.editSteps(ctx, c, edit)
		if err != nil {
			return err
		}
		for _, st := range steps {
			if err := s.makeOf(ctx, h, st); err != nil {
				return err
			}
		}
		return nil
	}
	if s.report.DryRun {
		return all(ctx, s.sys.host())
	}
	if err := s.pause(ctx, cluster.DirectorRole, nil); err != nil {
		return err
	}
	return s.change(ctx, s.sys.host(), all)
}

// makeOf plans one step and makes its changes, unless they are only to be told.
func (s *session) makeOf(ctx context.Context, h *host.Host, st step.Step) error {
	changes, err := st.Plan(ctx, h, step.Present)
	if err != nil {
		return &step.StepError{Step: st.Name(), Err: err}
	}
	done := len(changes)
	if a, ok := st.(step.Applier); ok && !s.report.DryRun && done > 0 {
		ctx, end := s.draining(ctx)
		done, err = a.Apply(ctx, h, changes)
		end()
	} else if !s.report.DryRun {
		done, err = oneByOne(ctx, changes)
	}
	s.report.Changes = append(s.report.Changes, changes[:done]...)
	if err != nil && done < len(changes) {
		return &step.StepError{Step: st.Name(), Change: &changes[done], Err: err}
	} else if err != nil {
		return &step.StepError{Step: st.Name(), Err: err}
	}
	return nil
}

// oneByOne makes changes one by one and returns how many.
func oneByOne(ctx context.Context, changes []step.Change) (int, error) {
	for i, c := range changes {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		if err := c.Do(ctx); err != nil {
			return i, err
		}
	}
	return len(changes), nil
}

// editSteps are the table and the description.
func (s *session) editSteps(ctx context.Context, c *cli.Command, edit *serverEdit) ([]step.Step, error) {
	if roles, err := step.Roles(s.sys.host()); err != nil {
		return nil, err
	} else if slices.Contains(roles, cluster.RealServerRole) {
		return nil, &hintError{errors.New("this host is a real server, and weights are the director's"),
			"run it on the director: " + host.ShellLine("lvsdr", c.Name, c.Args().First())}
	}
	src, err := s.described(c, cluster.DirectorRole)
	if errors.Is(err, errNothingGiven) || errors.Is(err, fs.ErrNotExist) {
		return s.editTable(ctx, edit)
	}
	if err != nil {
		return nil, err
	}
	return s.editDescribed(c, edit, src)
}

// editTable is for a table that nothing describes.
func (s *session) editTable(ctx context.Context, edit *serverEdit) ([]step.Step, error) {
	if !s.sys.host().Runtime {
		return nil, &hintError{errors.New("nothing describes the cluster on this host, so that it cannot be written down"),
			"change the running table alone: --runtime"}
	}
	if edit.Drained != nil && !*edit.Drained && edit.Weight == nil {
		return nil, &hintError{errors.New("nothing tells which weight it had"), "say it: " +
			host.ShellLine("lvsdr", "weight", edit.Address.String()) + " N --runtime"}
	}
	all, err := edit.inTable(ctx, s.sys.host())
	if err != nil {
		return nil, err
	}
	if edit.table = all; len(all) == 0 && !edit.Remove {
		return nil, edit.unknown("the IPVS table")
	}
	return []step.Step{step.ServerWeights(all)}, nil
}

// unknown is for a real server that no service has.
func (e *serverEdit) unknown(where string) error {
	in := ""
	if len(e.services) > 0 {
		in = " of --service"
	}
	return usage("no service%s in %s has a real server %s", in, where, e.Address)
}

func sameServer(r cluster.RealServer, a netip.Addr) bool { return r.Address == a }

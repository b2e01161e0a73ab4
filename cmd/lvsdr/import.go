package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"go.yaml.in/yaml/v4"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
)

func importCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "describe a cluster that ipvsadm, this host's kernel or keepalived has, as our YAML",
		ArgsUsage: "ipvsadm|kernel|keepalived [FILE|-]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config-id", Category: clusterFlags,
				Usage: "`NAME` what the conditions @NAME of keepalived.conf ask for (default: this host's name, as keepalived has it)"},
			&cli.StringSliceFlag{Config: trimmed, Name: "director", Category: clusterFlags,
				Usage: "`ADDR[=PRIORITY]` keepalived: one of the directors, the master first where no priority is given; repeatable, as a keepalived.conf does not tell all of them"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: outputFlags,
				Usage: "tell only what changes what serves"},
		},
		UsageText: `lvsdr import keepalived /etc/keepalived/keepalived.conf >lvsdr.yaml
lvsdr import keepalived --director 10.10.10.30=100 --director 10.10.10.33=90 >lvsdr.yaml
ipvsadm -S -n | lvsdr import ipvsadm - >lvsdr.yaml
lvsdr import kernel >lvsdr.yaml && lvsdr check -c lvsdr.yaml`,
		Description: `Nothing is changed, on this host or in the file. What the YAML cannot say is told on
stderr with its line; a warning is what serves differently without it.
Exit status: 0 all that serves is carried over, 1 not all (see the warnings), 2 the file
cannot be read.`,
		Action: s.importCluster,
	}
}

// importers are the forms that are read.
var importers = []string{"ipvsadm", "kernel", "keepalived"}

// taken is what was read.
type taken struct {
	cluster.Config
	remarks []cluster.Remark
	from    string
}

func (s *session) importCluster(ctx context.Context, c *cli.Command) error {
	form, file := c.Args().Get(0), c.Args().Get(1)
	if !slices.Contains(importers, form) || c.NArg() > 2 {
		return usage("say what to import: lvsdr import ipvsadm FILE, lvsdr import kernel or lvsdr import keepalived [FILE]; - is standard input")
	}
	if c.IsSet("config-id") && form != "keepalived" {
		return usage("--config-id is for keepalived.conf only")
	}
	if c.IsSet("director") && form != "keepalived" {
		return usage("--director is for keepalived.conf only")
	}
	t, err := s.take(ctx, c, form, file)
	if err != nil {
		return err
	}
	if len(t.Services) > 0 {
		text, err := yaml.Dump(t.Config, yaml.WithIndent(2), yaml.WithLineWidth(-1))
		if err != nil {
			return err
		}
		s.printf("# Made by lvsdr import %s of %s.\n%s", form, t.from, strings.TrimSuffix(string(text), "\n"))
	}
	return s.tellRemarks(t)
}

func (s *session) take(ctx context.Context, c *cli.Command, form, file string) (taken, error) {
	switch {
	case form == "kernel" && file != "":
		return taken{}, usage("lvsdr import kernel reads this host's table and no file")
	case form == "kernel":
		return s.takeKernel(ctx)
	case form == "keepalived":
		directors, err := parseEach(c, "director", parseDirector)
		if err != nil {
			return taken{}, err
		}
		return s.takeKeepalived(c.String("config-id"), file, directors)
	case file == "":
		return taken{}, usage("say which file: ipvsadm -S -n | lvsdr import ipvsadm -")
	}
	return s.takeIpvsadm(file)
}

// readNamed reads a file by the name that was given, - for standard input.
func (s *session) readNamed(name string) (data []byte, shown string, err error) {
	if name == "-" {
		data, err = s.sys.readInput()
		return data, "standard input", err
	}
	data, err = s.sys.readFile(s.absolute(name))
	return data, name, err
}

func (s *session) absolute(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.sys.dir, name)
}

// glob finds the files of a pattern; their names are relative where the pattern is.
func (s *session) glob(pattern string) ([]string, error) {
	names, err := s.sys.glob(s.absolute(pattern))
	if !filepath.IsAbs(pattern) {
		for i := range names {
			names[i] = strings.TrimPrefix(names[i], strings.TrimSuffix(s.sys.dir, "/")+"/")
		}
	}
	return names, err
}

// keepalivedConf is where keepalived looks (keepalived(8)).
const keepalivedConf = "/etc/keepalived/keepalived.conf"

// parseDirector reads ADDR[=PRIORITY]. What a priority may be is the validation's to say.
func parseDirector(text string) (cluster.Director, error) {
	address, priority, given := strings.Cut(text, "=")
	a, err := cluster.ParseAddress(address)
	if err != nil || !given {
		return cluster.Director{Address: a}, err
	}
	n, err := strconv.Atoi(priority)
	if err != nil {
		return cluster.Director{}, errors.New("the priority after = must be 1 to 254, as in 10.10.10.30=100")
	}
	return cluster.Director{Address: a, Priority: &n}, nil
}

func (s *session) takeKeepalived(id, file string, directors []cluster.Director) (taken, error) {
	if file == "" {
		file = keepalivedConf
	}
	data, name, err := s.readNamed(file)
	if err != nil {
		wrong := usage("cannot read the keepalived.conf: %w", err)
		wrong.hint = "where it is elsewhere, name it: lvsdr import keepalived FILE"
		return taken{}, wrong
	}
	if id == "" {
		id, _, _ = strings.Cut(s.sys.hostname(), ".")
	}
	k, err := keepalived.Parse(name, data, keepalived.Options{
		ID:       id,
		ReadFile: func(name string) ([]byte, error) { return s.sys.readFile(s.absolute(name)) },
		Glob:     s.glob,
	})
	if err != nil {
		return taken{}, usage("%w", err)
	}
	if len(k.Directives) == 0 {
		return taken{}, usage("%s: no configuration stands in it, nor in what it includes", name)
	}
	t := taken{from: name}
	t.Config, t.remarks = k.Cluster(directors...)
	return t, nil
}

func (s *session) takeIpvsadm(file string) (taken, error) {
	data, name, err := s.readNamed(file)
	if err != nil {
		return taken{}, usage("cannot read what ipvsadm saved: %w", err)
	}
	script, err := ipvs.ParseScript(string(data))
	if err != nil {
		return taken{}, usage("%s:%w", name, err)
	}
	if len(script.Entries) == 0 {
		return taken{}, usage("%s: no service stands in it", name)
	}
	t := taken{from: name}
	t.Config, t.remarks = cluster.FromTable(script.Entries, script.Timeouts)
	for i := range t.remarks {
		t.remarks[i].File, t.remarks[i].Line = name, script.Lines[t.remarks[i].Object]
	}
	return t, nil
}

// takeKernel reads the table of this host. Time-outs that nobody set are not described.
func (s *session) takeKernel(ctx context.Context) (taken, error) {
	table := s.sys.host().IPVS
	services, err := table.Services(ctx, ipvs.Plain)
	if err != nil {
		return taken{}, err
	}
	if len(services) == 0 {
		return taken{}, errors.New("the IPVS table of this host has no service")
	}
	entries := make([]ipvs.Entry, len(services))
	for i, service := range services {
		entries[i].Service = service
		if entries[i].Destinations, err = table.Destinations(ctx, service.ID, ipvs.Plain); err != nil {
			return taken{}, err
		}
	}
	slices.SortFunc(entries, func(a, b ipvs.Entry) int { return a.ID.Compare(b.ID) })
	timeouts, err := table.Timeouts(ctx)
	if err != nil {
		return taken{}, err
	}
	t := taken{from: "this host's table"}
	t.Config, t.remarks = cluster.FromTable(entries, beyond(timeouts, cluster.KernelTimeouts))
	return t, nil
}

// beyond are the time-outs that are not the usual ones.
func beyond(t, usual ipvs.Timeouts) ipvs.Timeouts {
	if t.TCP == usual.TCP {
		t.TCP = 0
	}
	if t.TCPFin == usual.TCPFin {
		t.TCPFin = 0
	}
	if t.UDP == usual.UDP {
		t.UDP = 0
	}
	return t
}

// tellRemarks tells what was not carried over, the same of several lines once, and fails
// when it matters.
func (s *session) tellRemarks(t taken) error {
	lost := 0
	for _, r := range together(t.remarks) {
		if r.Lost {
			lost++
			s.say("warning: %v", r)
		} else {
			s.note("%v", r)
		}
	}
	switch err := t.Validate(cluster.DirectorRole); {
	case len(t.Services) == 0:
		return fmt.Errorf("%s: nothing is left that lvsdr could serve", t.from)
	case err != nil:
		return fmt.Errorf("what %s says is not taken by lvsdr as it stands, correct it: %w", t.from, plain(err))
	case lost > 0:
		return fmt.Errorf("not all that serves is carried over from %s: see the warnings before you set it up", t.from)
	}
	return nil
}

// plain is an error without its type: what it says is no mistake of the command line.
func plain(err error) error { return errors.New(err.Error()) }

// gathered is a remark with all its lines.
type gathered struct {
	cluster.Remark
	lines []int
}

// together joins the remarks that differ in their lines alone.
func together(all []cluster.Remark) []gathered {
	var joined []gathered
	for _, r := range all {
		i := slices.IndexFunc(joined, func(g gathered) bool {
			return g.File == r.File && g.Object == r.Object && g.Text == r.Text && g.Lost == r.Lost
		})
		if i < 0 {
			joined = append(joined, gathered{Remark: r})
			i = len(joined) - 1
		} else if slices.Contains(joined[i].lines, r.Line) {
			continue
		}
		joined[i].lines = append(joined[i].lines, r.Line)
	}
	return joined
}

// mostLines is how many lines a remark names.
const mostLines = 5

func (g gathered) String() string {
	text := g.Remark.String()
	if len(g.lines) < 2 {
		return text
	}
	var more []string
	for _, n := range g.lines[1:min(len(g.lines), mostLines)] {
		more = append(more, fmt.Sprint(n))
	}
	if n := len(g.lines) - mostLines; n > 0 {
		more = append(more, fmt.Sprintf("and %d more", n))
	}
	return text + " (also line " + strings.Join(more, ", ") + ")"
}

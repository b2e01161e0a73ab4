package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/keepalived"
)

const keepalivedConf = "/etc/keepalived/keepalived.conf"

var keepalivedUnit = &Check{
	Code:  "keepalived-unit",
	Title: "keepalived, where it is to start, has a configuration to start with",
	Why:   "Its unit has a condition: without the file systemd leaves it out, with no error and exit status 0.",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		text, err := e.Host.Files.ReadFile(keepalivedConf)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(text) > 0 {
			return nil, nil
		}
		ours, err := e.WasSetUp()
		if err != nil || ours {
			return nil, err // it may be installed for something else
		}
		_, err = e.Host.Files.Readlink("/etc/systemd/system/multi-user.target.wants/keepalived.service")
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		running, err := e.Processes(ctx)
		if err != nil || slices.Contains(running, boot.Keepalived) {
			return nil, err // it was told another file
		}
		is := "is empty"
		if text == nil {
			is = "is not there"
		}
		p := warning("", "keepalived.service is enabled and does not start: %s %s", keepalivedConf, is)
		p.Advice = "write the file there (lvsdr export keepalived makes one), look at it with keepalived -t, then systemctl start keepalived; " +
			"if keepalived is not to run here: systemctl disable keepalived"
		return []Problem{p}, nil
	},
}

// keepalivedConfig is what keepalived reads on this host; nil where it is neither to
// run nor running, or has no file in its usual place.
func (e *Exam) keepalivedConfig(ctx context.Context) (*keepalived.Config, error) {
	return e.seen.keepalived.get(ctx, func() (*keepalived.Config, error) {
		text, err := e.Host.Files.ReadFile(keepalivedConf)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if alive, err := e.alive(ctx, boot.Keepalived); err != nil || !alive {
			return nil, err
		}
		name, err := e.Host.Sysctl.Get("kernel/hostname")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		name, _, _ = strings.Cut(strings.TrimSpace(name), ".")
		c, err := keepalived.Parse(keepalivedConf, text, keepalived.Options{ID: name, ReadFile: e.Host.Files.ReadFile, Glob: e.glob})
		return &c, err
	})
}

// glob finds the files of a folder by a pattern.
func (e *Exam) glob(pattern string) ([]string, error) {
	dir := path.Dir(pattern)
	names, err := e.Host.Files.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var found []string
	for _, n := range names {
		ok, err := path.Match(path.Base(pattern), n)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, path.Join(dir, n))
		}
	}
	return found, err
}

var keepalivedFlaws = &Check{
	Code:  "keepalived-conf",
	Title: "keepalived's configuration says what a director of direct routing needs",
	Why:   "keepalived fills in what is not written, or passes over what cannot be, without an error.",
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		c, err := e.keepalivedConfig(ctx)
		if err != nil || c == nil {
			return nil, err
		}
		places, err := e.instancePlaces(ctx, *c)
		if err != nil {
			return places, err
		}
		var problems []Problem
		all := c.Flaws()
		for flaws := all; len(flaws) > 0; {
			same := slices.IndexFunc(flaws, func(f keepalived.Flaw) bool { return f.Kind != flaws[0].Kind })
			if same < 0 {
				same = len(flaws)
			}
			refused := len(places) > 0 || refusedBeside(all, flaws[0].Kind)
			problems = append(problems, e.flawProblem(flaws[:same], refused))
			flaws = flaws[same:]
		}
		return append(problems, places...), nil
	},
}

// flawTexts are what each kind of flaw does, and what to do.
var flawTexts = map[keepalived.FlawKind][2]string{
	keepalived.NoMethod: {"has no lb_kind: keepalived forwards to its real servers by NAT, at the latest after its next reload or restart",
		"if direct routing is meant, write lb_kind DR into the block"},
	keepalived.SlowChecks: {"has its real servers looked at every minute (keepalived's delay_loop where none is written is 60): one that dies gets its share of the clients for so long", "write delay_loop 6"},
	keepalived.NoAlpha: {"has no alpha: after a start of keepalived a real server gets clients before the first look at it, also a dead one",
		"write alpha into the block"},
	keepalived.Strict: {"has keepalived drop what is for a VIP, but for VRRP itself: nothing gets to IPVS",
		"take the line out; with accept in the vrrp_instance beside it keepalived refuses the file"},
	keepalived.NoPreempt: {"does nothing beside state MASTER: the returning director takes the VIP back at once",
		"write state BACKUP in this vrrp_instance on every director; the priority decides"},
	keepalived.LongPassword: {"is longer than the 8 characters that VRRP has room for: keepalived cuts it, and a director that cuts another way is not heard",
		"write the first 8 characters on every director, at the same time: those that differ do not hear each other, and both become master"},
	keepalived.Twice: {"is in another vrrp_instance too: two masters may have it at once", "leave it in one vrrp_instance"},
}

// mostPlaces is how many places of one flaw are named.
const mostPlaces = 3

// refusedBeside tells whether keepalived -t ends in 5 for a flaw of another kind: seen with
// 2.2.7 for these, and not for the others. It does for an interface that is not there, too.
func refusedBeside(flaws []keepalived.Flaw, kind keepalived.FlawKind) bool {
	return slices.ContainsFunc(flaws, func(f keepalived.Flaw) bool {
		return f.Kind != kind && (f.Kind == keepalived.NoMethod || f.Kind == keepalived.NoPreempt || f.Kind == keepalived.LongPassword)
	})
}

// flawProblem is that of flaws of one kind. Where keepalived -t refuses the file for
// something else, there is no command that mends this one alone and has it read.
func (e *Exam) flawProblem(flaws []keepalived.Flaw, refused bool) Problem {
	var places []string
	for _, f := range flaws[:min(len(flaws), mostPlaces)] {
		places = append(places, f.Place())
	}
	what := strings.Join(places, ", ")
	if more := len(flaws) - mostPlaces; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	text := flawTexts[flaws[0].Kind]
	p := warning("", "%s %s", what, text[0])
	p.Advice = text[1] + reloads
	if refused {
		return p
	}
	if edit := e.insertion(flaws); edit != "" && flaws[0].Kind != keepalived.NoMethod {
		p.Fix, p.Advice = edit, ""
		return p.yours()
	} else if edit != "" {
		p.Advice = text[1] + ": " + edit
	}
	return p
}

// reloads is how an edit comes into force: keepalived takes a file with errors too, and
// then does what it understood of it.
const reloads = "; then, if keepalived -t says nothing: systemctl reload keepalived"

// insertion is the command that writes what the blocks lack behind their first lines;
// empty where these are not to be told from others.
func (e *Exam) insertion(flaws []keepalived.Flaw) string {
	var commands []string
	for _, f := range flaws {
		text, err := e.Host.Files.ReadFile(f.File)
		if f.Insert == "" || err != nil {
			return ""
		}
		var words []string
		for _, w := range f.Words {
			words = append(words, regexp.QuoteMeta(w))
		}
		head := `^[[:space:]]*` + strings.Join(words, `[[:space:]]+`) + `[[:space:]]*\{[[:space:]]*$`
		if len(regexp.MustCompile("(?m)"+head).FindAll(text, -1)) != 1 {
			return ""
		}
		commands = append(commands, host.ShellLine("sed", "-i", "-E", "/"+strings.ReplaceAll(head, "/", `\/`)+`/a\    `+f.Insert, f.File))
	}
	if len(commands) == 0 || len(commands) > mostPlaces {
		return ""
	}
	return strings.Join(append(commands, "keepalived -t", "systemctl reload keepalived"), " && ")
}

// instancePlaces tells of vrrp_instances that this host cannot take part in.
func (e *Exam) instancePlaces(ctx context.Context, c keepalived.Config) ([]Problem, error) {
	var problems []Problem
	for _, i := range c.Instances() {
		if i.Interface == "" {
			continue
		}
		_, ok, err := e.Link(ctx, i.Interface)
		if err != nil {
			return problems, err
		}
		if !ok {
			p := problem("", "%s is on the interface %s, which this host does not have: it is in state FAULT and brings no VIP", i.Place(), host.Printable(i.Interface))
			p.Advice = "name the interface on the directors' LAN (ip -br link)" + reloads
			problems = append(problems, p)
			continue
		}
		if !i.Source.IsValid() {
			continue
		}
		at, err := e.AddressesOf(ctx, i.Source)
		if err != nil {
			return problems, err
		}
		if len(at) == 0 {
			p := problem("", "%s speaks from %s (unicast_src_ip), which is no address of this host: its advertisements do not leave, and the other director becomes master too", i.Place(), i.Source)
			p.Advice = "write this host's own address there, and the other directors' under unicast_peer" + reloads
			problems = append(problems, p)
		}
	}
	return problems, nil
}

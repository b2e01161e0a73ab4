//go:build linux

package gallery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// longest is how long a case may take. Most end in a tenth of it; some wait for what the
// kernel forgets after a minute, on a machine that does much else.
const longest = 6 * time.Minute

// bench lends the cluster of the faults that share one, and makes it anew when a
// test left it ill.
type bench struct {
	cluster *Cluster
	flags   string
}

func (b *bench) lend(t *testing.T, flags string) *Cluster {
	t.Helper()
	if b.cluster != nil && (b.flags != flags || flags == "-") { // what a person makes is not undone
		b.drop(t)
	}
	if b.cluster == nil {
		c, err := NewCluster(context.Background(), flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		b.cluster, b.flags = c, flags
	}
	return b.cluster
}

func (b *bench) drop(t *testing.T) {
	if b.cluster != nil {
		if err := b.cluster.Close(); err != nil {
			t.Error(err)
		}
	}
	b.cluster = nil
}

// cases are the names of all, in alphabetical order. Those that are alike take alike long.
var cases = sync.OnceValue(func() []string {
	names := []string{speedCase}
	for _, v := range Variants() {
		names = append(names, v.Name)
	}
	for _, f := range Faults() {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
})

// chosen tells whether a case is to run: LVSDR_FAULT names one alone, or some (a,b), and
// LVSDR_FAULTS_PART, "1/2", a share of all, of which no two differ by more than one case.
func chosen(name string) bool {
	only := os.Getenv("LVSDR_FAULT")
	part, parts := 1, 1
	if share := os.Getenv("LVSDR_FAULTS_PART"); share != "" {
		if n, err := fmt.Sscanf(share, "%d/%d", &part, &parts); n != 2 || part < 1 || part > parts {
			panic(fmt.Sprintf("LVSDR_FAULTS_PART=%s: %v", share, err))
		}
	}
	return (only == "" || slices.Contains(strings.Split(only, ","), name)) && slices.Index(cases(), name)%parts == part-1
}

// Every case has a name of its own, and every fault is seen by checks that the
// doctor on that host has. It lists those that are chosen, for .ci/seen.
func TestCases(t *testing.T) {
	kebab := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[string]bool{}
	name := func(test, n string) {
		if seen[n] || !kebab.MatchString(n) {
			t.Errorf("%s: a name in kebab case is wanted, once", n)
		}
		seen[n] = true
		if chosen(n) {
			t.Logf("case: %s/%s", test, n)
		}
	}
	for _, v := range Variants() {
		name("TestHealthyVariants", v.Name)
	}
	for _, f := range Faults() {
		name("TestFaults", f.Name)
		if f.Title == "" || f.Inject == nil || len(f.Sights) == 0 {
			t.Errorf("%s: a title, an inject and a sight are wanted", f.Name)
		}
		if f.Setup == "-" && f.Make == nil {
			t.Errorf("%s: nothing sets up its cluster", f.Name)
		}
		for _, s := range f.Sights {
			role := map[string]string{"client": cluster.ClientRole, "dev-1": cluster.DirectorRole, secondDirector: cluster.DirectorRole}[s.Host]
			if !slices.ContainsFunc(doctor.Checks(cmp.Or(role, cluster.RealServerRole)), func(c *doctor.Check) bool { return c.Code == s.Code }) {
				t.Errorf("%s: the doctor on %s has no check %s", f.Name, s.Host, s.Code)
			}
		}
	}
}

// Every fault: healthy, injected, named by exactly the doctors that see it, mended
// with the doctor's own command, healthy.
func TestFaults(t *testing.T) {
	lab.Need(t, lab.Guest, lab.Netns, lab.IPVS)
	var b bench
	defer b.drop(t)
	faults := slices.Clone(Faults())
	slices.SortStableFunc(faults, func(x, y Fault) int { return len(x.Setup) - len(y.Setup) }) // those that share a cluster together
	l, named := &looks{t: t}, 0
	for _, f := range faults {
		if !chosen(f.Name) {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			lab.Need(t, f.Needs...)
			ctx, cancel := context.WithTimeout(context.Background(), longest)
			defer cancel()
			c := b.lend(t, f.Setup)
			l.t = t
			if err := check(ctx, l, c, f); err != nil {
				t.Error(err)
				b.drop(t)
				return
			}
			named++
		})
	}
	l.t = t
	t.Logf("%d faults named, %d further looks", named, l.again)
	l.few(named)
}

func check(ctx context.Context, l *looks, c *Cluster, f Fault) error {
	if f.Make != nil {
		if err := f.Make(ctx, c); err != nil {
			return fmt.Errorf("make: %w", err)
		}
	}
	if err := f.Inject(ctx, c); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	var found map[string][]doctor.Finding
	err := l.look(func() (err error) {
		found, err = named(ctx, c, f)
		return err
	})
	if err != nil {
		return err
	}
	first := f.Sights[0]
	i := slices.IndexFunc(found[first.Host], func(x doctor.Finding) bool { return x.Check == first.Code && x.Severity == first.severity() })
	finding := found[first.Host][i]
	if finding.Fix == "" && (finding.Advice == "" || f.Heal == nil && f.Advised == "") {
		return fmt.Errorf("no fix: %s", told(found[first.Host]))
	}
	if err := c.Follow(ctx, f, finding); err != nil {
		return fmt.Errorf("what the doctor says is no help: %w", err)
	}
	if err := l.look(func() error { return healthy(ctx, c) }); err != nil || f.Undo == nil {
		return err
	}
	return f.Undo(ctx, c)
}

// named runs the doctors and fails when one of them names anything but what the
// fault says.
func named(ctx context.Context, c *Cluster, f Fault) (map[string][]doctor.Finding, error) {
	hosts := c.names()
	if f.Passive { // a client that asks nobody says that it cannot tell
		hosts = slices.DeleteFunc(hosts, func(h string) bool { return c.Role(h) == cluster.ClientRole })
	}
	if f.Recur != nil {
		if err := f.Recur(ctx, c); err != nil {
			return nil, err
		}
	}
	c.Passive = f.Passive
	diagnose := c.Diagnose
	if f.InTurn {
		diagnose = c.DiagnoseInTurn
	}
	found, err := diagnose(ctx, hosts...)
	c.Passive = false
	if err != nil {
		return nil, err
	}
	for _, h := range hosts {
		if got, want := Bad(found[h]), f.wanted(h); !slices.Equal(got, want) {
			return nil, fmt.Errorf("the doctor on %s named %q, want %q\n%s", h, got, want, told(found[h]))
		}
	}
	return found, nil
}

// looks counts what was not as it should be at the first look. A guest shares its
// one processor with whatever else the machine does: a host that is given its turn
// too late answers too late, for the doctor as for clients.
type looks struct {
	t     *testing.T
	again int
}

// look looks up to three times, and tells of each time but the last.
func (l *looks) look(at func() error) error {
	err := at()
	for range 2 {
		if err == nil {
			break
		}
		l.again++
		l.t.Logf("%s: looking again, after: %v", l.t.Name(), err)
		err = at()
	}
	return err
}

// few fails the test when more than a tenth, and more than two, was not as it should be
// at once: a share of the gallery may have few clusters.
func (l *looks) few(of int) {
	if l.again > 2+of/10 {
		l.t.Errorf("%d further looks at %d clusters: the doctor is not to be relied on", l.again, of)
	}
}

// healthy fails when any doctor finds anything, or the client is not served.
func healthy(ctx context.Context, c *Cluster) error {
	hosts := c.names()
	found, err := c.Diagnose(ctx, hosts...)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if bad := Bad(found[h]); len(bad) > 0 {
			return fmt.Errorf("healthy, but the doctor on %s says %q\n%s", h, bad, told(found[h]))
		}
	}
	return c.Serves(ctx)
}

// noneHalfOpen fails when the doctors have left a connection in SYN_RECV in the
// director's table, for which a drain would wait.
func noneHalfOpen(ctx context.Context, c *Cluster) error {
	all, err := c.connections(ctx)
	for _, x := range all {
		if x.State == "SYN_RECV" {
			err = errors.Join(err, fmt.Errorf("the doctor left a half-open connection: %+v", x))
		}
	}
	return err
}

func told(findings []doctor.Finding) (text string) {
	for _, f := range findings {
		if f.Severity != doctor.OK && f.Severity != doctor.Skipped {
			text += fmt.Sprintf("%s %s: %s\n  fix %q on %q\n  %s\n", f.Severity, f.Check, f.What, f.Fix, f.On, f.Advice)
		}
	}
	return text
}

// Every trap and unusual cluster: no warning, no failure, and it serves.
func TestHealthyVariants(t *testing.T) {
	lab.Need(t, lab.Guest, lab.Netns, lab.IPVS)
	l, fine := &looks{t: t}, 0
	for _, v := range Variants() {
		if !chosen(v.Name) {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			lab.Need(t, v.Needs...)
			ctx, cancel := context.WithTimeout(context.Background(), longest)
			defer cancel()
			c, err := NewCluster(ctx, v.Setup, v.Servers)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}()
			if v.Make != nil {
				err = v.Make(ctx, c)
			}
			l.t = t
			if err == nil {
				err = l.look(func() error { return healthy(ctx, c) })
			}
			if err == nil {
				err = noneHalfOpen(ctx, c)
			}
			if err != nil {
				t.Error(err)
				return
			}
			fine++
		})
	}
	l.t = t
	t.Logf("no finding on %d healthy clusters, %d further looks", fine, l.again)
	l.few(fine)
}

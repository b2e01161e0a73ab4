package lvsdr_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func realServerRole(t *testing.T) lvsdr.Role {
	t.Helper()
	role, err := lvsdr.RealServer(webCluster)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

// A role of an importer's own stands beside ours, with a name and without, whichever
// comes first; each gives back its own.
func TestRolesBesideOurs(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"web", ""} {
		world := lvsdrtest.RealServer()
		before := world.Dump()
		ours, own := realServerRole(t), lvsdr.Role{Name: name, Steps: []step.Step{banner{"hello\n"}}}
		for _, role := range []lvsdr.Role{own, ours, own} {
			if _, err := role.Apply(ctx, world.Host(), step.Present); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}
		for _, role := range []lvsdr.Role{ours, own} {
			if left, err := role.Plan(ctx, world.Host(), step.Present); err != nil || len(left) > 0 {
				t.Errorf("%q: %v left, %v", name, left, err)
			}
			if _, err := role.Down(ctx, world.Host()); err != nil {
				t.Fatalf("%q: %v", name, err)
			}
		}
		if after := world.Dump(); after != before {
			t.Errorf("%q: not as before:\n%s", name, after)
		}
	}
	for _, name := range []string{"lock", ".hidden", "../etc"} {
		if _, err := (lvsdr.Role{Name: name}).Up(ctx, lvsdrtest.New().Host()); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}

// turns is a step that must be alone.
type turns struct {
	mu     *sync.Mutex
	name   string
	failed func(string)
}

func (s turns) Name() string { return s.name }

func (s turns) Plan(context.Context, *host.Host, step.State) ([]step.Change, error) {
	if !s.mu.TryLock() {
		s.failed("two at once")
		return nil, nil
	}
	time.Sleep(time.Millisecond)
	s.mu.Unlock()
	return nil, nil
}

// Up, Down and the command take turns, and Up in another's turn waits.
func TestOneAtATime(t *testing.T) {
	world := lvsdrtest.New()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			role := lvsdr.Role{Name: "web", Steps: []step.Step{turns{&mu, "turns", func(s string) { t.Error(s) }}}}
			for _, turn := range []func(context.Context, *host.Host) ([]step.Change, error){role.Up, role.Down} {
				if _, err := turn(t.Context(), world.Host()); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()

	unlock, err := world.Host().Files.Lock(host.LockFile)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	edits := world.Edits()
	if _, err := realServerRole(t).Up(ctx, world.Host()); !errors.Is(err, context.DeadlineExceeded) || world.Edits() > edits {
		t.Errorf("%v and %d edits while another has the lock", err, world.Edits()-edits)
	}
}

// Up does not take a VIP that a stranger answers for; Apply does what it is told.
func TestUpAsksThePreflight(t *testing.T) {
	ctx := context.Background()
	world := lvsdrtest.Director(append(strings.Split(strings.TrimSpace(lvsdrtest.HealthyLAN()), "\n"),
		"lan add 02:00:00:00:00:77 10.10.10.22")...)
	role, err := lvsdr.Director(webCluster)
	if err != nil {
		t.Fatal(err)
	}
	edits := world.Edits()
	changes, err := role.Up(ctx, world.Host())
	var stop *doctor.PreflightError
	if !errors.As(err, &stop) || !slices.Contains(stop.Codes(), "vip-claim") || len(changes) > 0 || world.Edits() > edits {
		t.Fatalf("%d changes, %v: want that vip-claim stops it", len(changes), err)
	}
	exam := role.Exam(world.Host())
	exam.Ignore = stop.Codes()
	if _, err := exam.Preflight(ctx); err != nil {
		t.Errorf("ignored, and yet %v", err)
	}
	if _, err := role.Apply(ctx, world.Host(), step.Present); err != nil {
		t.Error(err)
	}
	_, err = role.Prove(ctx, world.Host())
	var unproved *doctor.ProofError
	if !errors.As(err, &unproved) {
		t.Errorf("%v, want that the proof fails", err)
	}
}

func TestFind(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		world     *lvsdrtest.World
		directors []string
		want      string
	}{
		{lvsdrtest.Director(), []string{"10.10.10.33", "10.10.10.30"}, cluster.DirectorRole},
		{lvsdrtest.Director(), []string{"10.10.10.33"}, ""},
		{lvsdrtest.Director(), nil, ""}, // being on the LAN is not enough
		{lvsdrtest.Client(), nil, ""},
		{lvsdrtest.RealServer(), []string{"10.10.10.30"}, cluster.RealServerRole},
		{lvsdrtest.New(), nil, ""},
	} {
		c := webCluster
		for _, d := range test.directors {
			c.Directors = append(c.Directors, cluster.Director{Address: netip.MustParseAddr(d)})
		}
		role, why, err := lvsdr.Find(ctx, test.world.Host(), c)
		if role != test.want || (why == "") != (role == "") || errors.Is(err, lvsdr.ErrNoRole) != (role == "") {
			t.Errorf("%q because %q, %v; want %q", role, why, err, test.want)
		}
	}
}

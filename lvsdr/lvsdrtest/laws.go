package lvsdrtest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// A Box is a host whose whole state can be told as text: a [World], or a network
// namespace of a real kernel.
type Box interface {
	// Host returns the host that roles are applied to.
	Host() *host.Host
	// Dump returns the state that belongs to a host, the same text for the same
	// state. Lines that begin with "modprobe " are left out of comparisons: a
	// module stays loaded after teardown, because others may use it by then.
	Dump() string
}

// A Case is one role on one starting world. Role is called for every set-up anew,
// as every process makes its own. World returns the world in its starting state;
// it may return the same one again and again when another is dear to make, for
// every law ends with a teardown, and the first that does not restore the world
// ends the test.
type Case struct {
	Role  func() (lvsdr.Role, error)
	World func(testing.TB) Box
	// Every thins law 5 out for a world whose edits are slow: it breaks off after
	// every so many edits only. 0 is 1, after each.
	Every int
}

// CheckLaws checks that a role, and so every step in it, keeps the laws on a
// starting world:
//
//  1. Plan changes nothing.
//  2. Up does exactly what Plan said, and so does Down.
//  3. A second Up finds nothing to do.
//  4. Down after Up leaves the host as it was; so does Down on a host without Up.
//  5. Up broken off after any number of edits and run again ends where an unbroken
//     one does; Down after it, and a Down broken off anywhere and run again,
//     restore everything.
//
// Each law is a subtest. The world may be any, foreign things in it included:
// that they stay is what laws 4 and 5 say. Law 5 takes four set-ups an edit; it is
// left out with -short. See [Case] for role and world.
func CheckLaws(t *testing.T, role func() (lvsdr.Role, error), world func(testing.TB) Box) {
	t.Helper()
	Case{Role: role, World: world}.Check(t)
}

// Check is [CheckLaws] of the case.
func (c Case) Check(t *testing.T) {
	t.Helper()
	_ = t.Run("1 Plan changes nothing", c.planChangesNothing) &&
		t.Run("2 Up does what Plan said", c.upDoesWhatPlanSaid) &&
		t.Run("3 second Up does nothing", c.secondUpDoesNothing) &&
		t.Run("4 Down restores", c.downRestores) &&
		t.Run("5 broken off anywhere", c.brokenOff)
}

var ctx = context.Background()

// box is a Box with a Recorder between it and the role.
type box struct {
	*Recorder
	dump func() string
}

func (c Case) box(t testing.TB) box {
	t.Helper()
	b := c.World(t)
	return box{Record(b.Host()), func() string { return withoutModules(b.Dump()) }}
}

func withoutModules(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, "modprobe ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (c Case) role(t testing.TB) lvsdr.Role {
	t.Helper()
	r, err := c.Role()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (c Case) plan(t testing.TB, b box, want step.State) []step.Change {
	t.Helper()
	changes, err := c.role(t).Plan(ctx, b.Host(), want)
	if err != nil {
		t.Fatalf("plan of %s: %v", want, err)
	}
	return changes
}

func (c Case) apply(t testing.TB, b box, want step.State) ([]step.Change, error) {
	if want == step.Present {
		return c.role(t).Apply(ctx, b.Host(), step.Present)
	}
	return c.role(t).Down(ctx, b.Host())
}

func (c Case) up(t testing.TB, b box) []step.Change {
	t.Helper()
	return c.must(t, b, step.Present)
}

func (c Case) down(t testing.TB, b box) []step.Change {
	t.Helper()
	return c.must(t, b, step.Absent)
}

func (c Case) must(t testing.TB, b box, want step.State) []step.Change {
	t.Helper()
	changes, err := c.apply(t, b, want)
	if err != nil {
		t.Fatalf("%s: %v\nafter:\n%s\nwith\n%s", want, err, strings.Join(b.Log(), "\n"), b.dump())
	}
	return changes
}

func (c Case) planChangesNothing(t *testing.T) {
	b := c.box(t)
	before := b.dump()
	for _, want := range []step.State{step.Present, step.Absent, step.Present} {
		c.plan(t, b, want)
		same(t, "before and after the plan of "+want.String(), before, b.dump())
	}
	c.up(t, b)
	edits, after := b.Edits(), b.dump()
	c.plan(t, b, step.Absent)
	same(t, "before and after the plan of the teardown", after, b.dump())
	if n := b.Edits() - edits; n != 0 {
		t.Errorf("the plan of the teardown made %d edits", n)
	}
	c.down(t, b)
}

func (c Case) upDoesWhatPlanSaid(t *testing.T) {
	b := c.box(t)
	c.sameAsPlanned(t, b, step.Present)
	c.sameAsPlanned(t, b, step.Absent)
}

// sameAsPlanned compares the changes planned, by a role of its own, with those made.
func (c Case) sameAsPlanned(t *testing.T, b box, want step.State) {
	t.Helper()
	planned := texts(c.plan(t, b, want))
	made := texts(c.must(t, b, want))
	if !slices.Equal(planned, made) {
		t.Errorf("%s: planned\n%s\nmade\n%s", want, strings.Join(planned, "\n"), strings.Join(made, "\n"))
	}
}

func texts(changes []step.Change) []string {
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = c.Step + ": " + c.String()
	}
	return lines
}

func (c Case) secondUpDoesNothing(t *testing.T) {
	b := c.box(t)
	c.up(t, b)
	edits, after := b.Edits(), b.dump()
	if made := c.up(t, b); len(made) > 0 {
		t.Errorf("a second time:\n%s", strings.Join(texts(made), "\n"))
	}
	if n := b.Edits() - edits; n != 0 {
		t.Errorf("%d edits:\n%s", n, strings.Join(b.Log()[len(b.Log())-n:], "\n"))
	}
	same(t, "after the first and the second time", after, b.dump())
	c.down(t, b)
}

func (c Case) downRestores(t *testing.T) {
	b := c.box(t)
	before := b.dump()
	if made := c.down(t, b); len(made) > 0 {
		t.Errorf("teardown of a host without set-up:\n%s", strings.Join(texts(made), "\n"))
	}
	same(t, "before and after a teardown without set-up", before, b.dump())
	c.up(t, b)
	c.down(t, b)
	same(t, "before set-up and after teardown", before, b.dump())
	if made := c.down(t, b); len(made) > 0 {
		t.Errorf("a second teardown:\n%s", strings.Join(texts(made), "\n"))
	}
}

// same compares two dumps and shows what only one of them has.
func same(t *testing.T, what, a, b string) {
	t.Helper()
	if a == b {
		return
	}
	first, second := strings.Split(a, "\n"), strings.Split(b, "\n")
	var diff strings.Builder
	for _, l := range first {
		if !slices.Contains(second, l) {
			diff.WriteString("- " + l + "\n")
		}
	}
	for _, l := range second {
		if !slices.Contains(first, l) {
			diff.WriteString("+ " + l + "\n")
		}
	}
	if diff.Len() == 0 {
		diff.WriteString("the same lines in another order:\n" + a + "and\n" + b)
	}
	t.Errorf("%s, differ:\n%s", what, diff.String())
}

package lvsdrtest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func (c Case) brokenOff(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	c.brokenUp(t)
	if !t.Failed() {
		c.brokenDown(t)
	}
}

// breakOff applies the role until n edits are made, and tells the last of them.
func (c Case) breakOff(t *testing.T, b box, n int, want step.State) (where string) {
	t.Helper()
	planned := texts(c.plan(t, b, want))
	edits := b.Edits()
	b.FailAfter(n)
	made, err := c.apply(t, b, want)
	b.FailAfter(-1)
	where = "nothing"
	if log := b.Log(); n > 0 && len(log) > 0 {
		where = "edit " + log[len(log)-1]
	}
	// A world that is used again has its modules loaded and takes fewer edits.
	if whole := b.Edits()-edits <= n; !errors.Is(err, Interrupted) && !(err == nil && whole) {
		t.Fatalf("broken off after %s: %v", where, err)
	}
	if got := texts(made); len(got) > len(planned) || !slices.Equal(got, planned[:len(got)]) {
		t.Errorf("broken off after %s it says it made\n%s\nof the planned\n%s", where, strings.Join(got, "\n"), strings.Join(planned, "\n"))
	}
	return where
}

func (c Case) brokenUp(t *testing.T) {
	whole := c.box(t)
	before := whole.dump()
	c.up(t, whole)
	want, edits := whole.dump(), whole.Edits()
	c.down(t, whole)
	for n := 0; n < edits && !t.Failed(); n += max(1, c.Every) {
		again := c.box(t)
		where := c.breakOff(t, again, n, step.Present)
		c.up(t, again)
		same(t, "set up unbroken, and broken off after "+where+" and run again", want, again.dump())
		c.down(t, again)
		same(t, "before, and after teardown of a set-up broken off after "+where+" and run again", before, again.dump())

		torn := c.box(t)
		c.breakOff(t, torn, n, step.Present)
		c.down(t, torn)
		same(t, "before, and after teardown of a set-up broken off after "+where, before, torn.dump())
	}
}

func (c Case) brokenDown(t *testing.T) {
	whole := c.box(t)
	before := whole.dump()
	c.up(t, whole)
	up, edits := whole.dump(), whole.Edits()
	c.down(t, whole)
	edits = whole.Edits() - edits
	for n := 0; n < edits && !t.Failed(); n += max(1, c.Every) {
		again := c.box(t)
		c.up(t, again)
		where := c.breakOff(t, again, n, step.Absent)
		c.down(t, again)
		same(t, "before, and after a teardown broken off after "+where+" and run again", before, again.dump())

		back := c.box(t)
		c.up(t, back)
		c.breakOff(t, back, n, step.Absent)
		c.up(t, back)
		same(t, "set up, and set up again over a teardown broken off after "+where, up, back.dump())
		c.down(t, back)
		same(t, "before, and after teardown of a set-up over a teardown broken off after "+where, before, back.dump())
	}
}

// CheckReconfiguration checks what a role set up over another configuration of it
// does: the host ends as one that had the second from the start, and Down leaves
// it as it was before the first. So does a change of configuration that is broken
// off anywhere and run again.
func CheckReconfiguration(t *testing.T, from, to func() (lvsdr.Role, error), world func(testing.TB) Box) {
	t.Helper()
	old, c := Case{Role: from, World: world}, Case{Role: to, World: world}
	fresh := c.box(t)
	before := fresh.dump()
	c.up(t, fresh)
	want := fresh.dump()
	c.down(t, fresh)

	changed := old.box(t)
	old.up(t, changed)
	edits := changed.Edits()
	c.sameAsPlanned(t, changed, step.Present)
	same(t, "the second configuration from the start, and after the first", want, changed.dump())
	edits = changed.Edits() - edits
	c.down(t, changed)
	same(t, "before the first configuration, and after the teardown of the second", before, changed.dump())
	for n := 0; n < edits && !testing.Short() && !t.Failed(); n++ {
		broken := old.box(t)
		old.up(t, broken)
		where := c.breakOff(t, broken, n, step.Present)
		c.up(t, broken)
		same(t, "the second configuration from the start, and broken off after "+where, want, broken.dump())
		c.down(t, broken)
	}
}

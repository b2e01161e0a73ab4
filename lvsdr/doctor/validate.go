package doctor

import (
	"errors"
	"fmt"
	"strings"
)

// Validate tells whether checks can be run together: each has a code of its own and
// something to run, none needs itself, be it by others, and none needs one that runs
// after it ([Check.AfterAll]). A need that is not among the checks is left out when
// they run, but has to be as sound as they are. [Exam.Run] asks it; a test of an
// importer's own checks should too.
func Validate(checks []*Check) error {
	v := validator{codes: map[string]*Check{}, state: map[*Check]visit{}}
	listed := map[*Check]bool{}
	for _, c := range checks {
		if c != nil && listed[c] {
			v.refuse("check %s is there twice", c.Code)
		}
		listed[c] = true
		v.see(c, nil)
	}
	return errors.Join(v.errs...)
}

type visit uint8

const (
	unseen visit = iota
	above        // one of those that lead here
	sound
)

type validator struct {
	codes map[string]*Check
	state map[*Check]visit
	errs  []error
}

func (v *validator) refuse(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("doctor: "+format, args...))
}

// see looks at a check and those that it needs; path is how it was come by.
func (v *validator) see(c *Check, path []*Check) {
	switch {
	case c == nil:
		v.refuse("a check is nil")
		return
	case v.state[c] == above:
		v.refuse("check %s needs itself: %s", c.Code, circle(append(path, c)))
		return
	case v.state[c] == sound:
		return
	}
	v.state[c] = above
	v.seeAlone(c)
	for _, n := range c.Needs {
		if n != nil && n.AfterAll && !c.AfterAll {
			v.refuse("check %s needs %s, which runs after all others", c.Code, n.Code)
		}
		v.see(n, append(path, c))
	}
	v.state[c] = sound
}

// seeAlone looks at what a check says of itself.
func (v *validator) seeAlone(c *Check) {
	switch other := v.codes[c.Code]; {
	case c.Code == "":
		v.refuse("a check has no code (title %q)", c.Title)
	case other != nil:
		v.refuse("two checks have the code %s", c.Code)
	}
	v.codes[c.Code] = c
	if c.Run == nil {
		v.refuse("check %s has nothing to run", c.Code)
	}
}

// circle renders a path that ends where it has been before: "a, b, a".
func circle(path []*Check) string {
	last := path[len(path)-1]
	var codes []string
	for _, c := range path {
		if len(codes) > 0 || c == last {
			codes = append(codes, c.Code)
		}
	}
	return strings.Join(codes, ", ")
}

package doctor_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

var checkRoles = []string{cluster.DirectorRole, cluster.RealServerRole, cluster.ClientRole}

// Every check can be named, understood and left out: a code of its own, what holds,
// why it matters; those it needs come before it, so that a report begins with causes.
func TestChecks(t *testing.T) {
	code := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	byCode := map[string]*doctor.Check{}
	for _, role := range checkRoles {
		checks := doctor.Checks(role)
		for i, c := range checks {
			if other := byCode[c.Code]; other != nil && other != c {
				t.Errorf("%s: two checks have this code", c.Code)
			}
			byCode[c.Code] = c
			if !code.MatchString(c.Code) {
				t.Errorf("%q: a code in kebab case is wanted", c.Code)
			}
			if c.Title == "" || strings.HasSuffix(c.Title, ".") {
				t.Errorf("%s: title %q: what holds is wanted, without a period", c.Code, c.Title)
			}
			if !strings.HasSuffix(c.Why, ".") {
				t.Errorf("%s: why %q: a sentence is wanted", c.Code, c.Why)
			}
			if slices.Contains(checks[:i], c) {
				t.Errorf("%s: twice in the list of a %s", c.Code, role)
			}
			for _, n := range c.Needs {
				if at := slices.Index(checks, n); at > i {
					t.Errorf("%s: needs %s, which stands after it in the list of a %s", c.Code, n.Code, role)
				}
			}
			if c.Step != "" && !slices.Contains(stepsOf(t), c.Step) {
				t.Errorf("%s: there is no step %s", c.Code, c.Step)
			}
			if c.Run == nil {
				t.Errorf("%s: does nothing", c.Code)
			}
		}
	}
	if len(doctor.Checks("nobody")) > 0 {
		t.Error("a role that there is not has checks")
	}
}

// stepsOf are the names of all roles' steps, and of the one that package units adds.
func stepsOf(t *testing.T) []string {
	t.Helper()
	c, err := cluster.ParseConfig("", []byte("services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"unit"}
	for _, make := range []func(cluster.Config) (lvsdr.Role, error){lvsdr.Director, lvsdr.RealServer} {
		role, err := make(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range role.Steps {
			names = append(names, s.Name())
		}
	}
	return names
}

// docs/checks.md explains every check and no other.
func TestChecksAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, m := range regexp.MustCompile(`(?m)^### (.*)\n+(#|\z)?`).FindAllStringSubmatch(string(text), -1) {
		headings = append(headings, m[1])
		if m[2] != "" {
			t.Errorf("docs/checks.md: nothing stands under %s", m[1])
		}
	}
	for _, role := range checkRoles {
		for _, c := range doctor.Checks(role) {
			if n := count(headings, c.Code); n != 1 {
				t.Errorf("docs/checks.md: %d headings %q", n, "### "+c.Code)
			}
		}
	}
	for _, h := range headings {
		if !slices.ContainsFunc(checkRoles, func(role string) bool {
			return slices.ContainsFunc(doctor.Checks(role), func(c *doctor.Check) bool { return c.Code == h })
		}) {
			t.Errorf("docs/checks.md: %q is no check", h)
		}
	}
}

func count(words []string, word string) (n int) {
	for _, w := range words {
		if w == word {
			n++
		}
	}
	return n
}

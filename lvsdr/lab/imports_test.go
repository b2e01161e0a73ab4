//go:build linux

package lab_test

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

const module = "github.com/lvsdr/toolkit"

// The direction of imports: what each package may never reach, at any depth.
func TestImports(t *testing.T) {
	cli := []string{
		module + "/cmd", "github.com/urfave/cli", "github.com/sirupsen/logrus", "github.com/moby/ipvs",
		"testing", "flag",
	}
	library := slices.Concat(cli, []string{
		module + "/units", module + "/lvsdr/lab", module + "/lvsdr/lvsdrtest", "github.com/coreos/go-systemd",
	})
	for pkg, never := range map[string][]string{
		"/lvsdr":             library,
		"/lvsdr/ipvs":        append(library, module+"/lvsdr/probe", "github.com/vishvananda"),
		"/lvsdr/probe":       append(library, module+"/lvsdr/ipvs", "github.com/vishvananda"),
		"/lvsdr/filter":      append(library, module+"/lvsdr/ipvs", "github.com/vishvananda"),
		"/lvsdr/lvsdrtest":   {module + "/cmd", module + "/units", module + "/lvsdr/lab", "github.com/urfave/cli", "github.com/coreos/go-systemd"},
		"/lvsdr/lab":         {module + "/cmd", module + "/units", "github.com/urfave/cli", "testing"},
		"/lvsdr/lab/umlexec": {module + "/lvsdr"},
		"/units":             {module + "/cmd", module + "/lvsdr/lab", "github.com/urfave/cli", "testing"},
		"/cmd/lvsdr":         {module + "/lvsdr/lab", module + "/lvsdr/lvsdrtest", "github.com/moby/ipvs", "github.com/sirupsen/logrus", "testing"},
	} {
		for _, dep := range goList(t, "-deps", module+pkg) {
			for _, n := range never {
				if dep != module+pkg && (dep == n || strings.HasPrefix(dep, n+"/")) {
					t.Errorf("%s imports %s, by itself or through another", module+pkg, dep)
				}
			}
		}
	}
}

// The library returns what it did and does not log. Only its own imports count: a
// library it uses has a debugging switch.
func TestLibraryDoesNotLog(t *testing.T) {
	for _, pkg := range []string{"/lvsdr", "/lvsdr/ipvs", "/lvsdr/probe", "/lvsdr/filter", "/lvsdr/lab", "/units"} {
		for _, imported := range goList(t, "-f", `{{join .Imports "\n"}}`, module+pkg) {
			if imported == "log" || strings.HasPrefix(imported, "log/") {
				t.Errorf("%s imports %s", module+pkg, imported)
			}
		}
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	if lab.Guest.Missing() == nil {
		t.Skip("no business of the guest's kernel")
	}
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list %s: %s", args, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

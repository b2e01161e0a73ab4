//go:build linux

package lvsdr_test

import (
	"errors"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

const module = "github.com/lvsdr/toolkit/"

// rooms are the packages of the library, each with those it may import itself. An
// arrow that is not here is a decision to take (docs/design.md), not a line to add.
var rooms = map[string][]string{
	"lvsdr/ipvs":     {},
	"lvsdr/filter":   {},
	"lvsdr/probe":    {},
	"lvsdr/cluster":  {"lvsdr/ipvs"},
	"lvsdr/host":     {"lvsdr/cluster", "lvsdr/ipvs", "lvsdr/filter", "lvsdr/probe"},
	"lvsdr/boot":     {"lvsdr/host"},
	"lvsdr/firewall": {"lvsdr/filter", "lvsdr/host", "lvsdr/cluster"},
	"lvsdr/linux":    {"lvsdr/firewall", "lvsdr/host", "lvsdr/cluster", "lvsdr/ipvs", "lvsdr/filter", "lvsdr/probe"},
	"lvsdr/step":     {"lvsdr/keepalived", "lvsdr/host", "lvsdr/cluster", "lvsdr/ipvs"},
	"lvsdr/doctor": {"lvsdr/step", "lvsdr/boot", "lvsdr/firewall", "lvsdr/host", "lvsdr/cluster", "lvsdr/keepalived",
		"lvsdr/ipvs", "lvsdr/filter", "lvsdr/probe"},
	"lvsdr":            {"lvsdr/doctor", "lvsdr/step", "lvsdr/boot", "lvsdr/linux", "lvsdr/host", "lvsdr/cluster", "lvsdr/filter"},
	"lvsdr/mobyipvs":   {"lvsdr/host", "lvsdr/ipvs"},
	"lvsdr/status":     {"lvsdr/step", "lvsdr/host", "lvsdr/ipvs", "lvsdr/filter"},
	"lvsdr/keepalived": {"lvsdr/cluster"},
	"units":            {"lvsdr/step", "lvsdr/host", "lvsdr/cluster"},
}

// TestRooms holds the direction of imports between the rooms.
func TestRooms(t *testing.T) {
	for room, may := range rooms {
		for _, imported := range goList(t, "-f", `{{join .Imports "\n"}}`, module+room) {
			if inside, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(may, inside) {
				t.Errorf("%s imports %s", room, inside)
			}
		}
	}
}

// kernelRooms touch the kernel; the others see it through the views of package host.
var kernelRooms = []string{"lvsdr/linux", "lvsdr/firewall", "lvsdr/filter", "lvsdr/probe", "lvsdr/ipvs", "lvsdr/mobyipvs"}

func TestKernelRooms(t *testing.T) {
	kernel := []string{"github.com/vishvananda", "github.com/google/nftables", "github.com/mdlayher", "golang.org/x/sys", "os/exec"}
	for room := range rooms {
		if slices.Contains(kernelRooms, room) || room == "units" {
			continue
		}
		for _, imported := range goList(t, "-f", `{{join .Imports "\n"}}`, module+room) {
			if within(imported, kernel) {
				t.Errorf("%s imports %s: that is the business of %s", room, imported, strings.Join(kernelRooms, ", "))
			}
		}
	}
}

// TestNever is what a package may not reach at any depth.
func TestNever(t *testing.T) {
	cli := []string{
		module + "cmd", "github.com/urfave/cli", "github.com/sirupsen/logrus", "github.com/moby/ipvs", "testing", "flag",
	}
	library := slices.Concat(cli, []string{
		module + "units", module + "lvsdr/lab", module + "lvsdr/lvsdrtest", "github.com/coreos/go-systemd",
	})
	never := map[string][]string{
		"lvsdr":             library,
		"lvsdr/status":      library,
		"lvsdr/step":        {module + "lvsdr/doctor", module + "lvsdr/linux"},
		"lvsdr/doctor":      {module + "lvsdr/linux"},
		"lvsdr/lvsdrtest":   {module + "cmd", module + "units", module + "lvsdr/lab", "github.com/urfave/cli", "github.com/coreos/go-systemd"},
		"lvsdr/lab":         {module + "cmd", module + "units", "github.com/urfave/cli", "testing"},
		"lvsdr/lab/umlexec": {module + "lvsdr"},
		"units":             {module + "cmd", module + "lvsdr/lab", "github.com/urfave/cli", "testing"},
		"cmd/lvsdr":         {module + "lvsdr/lab", module + "lvsdr/lvsdrtest", "github.com/moby/ipvs", "github.com/sirupsen/logrus", "testing"},
	}
	for pkg, never := range never {
		for _, dep := range goList(t, "-deps", module+pkg) {
			if dep != module+pkg && within(dep, never) {
				t.Errorf("%s imports %s, by itself or through another", pkg, dep)
			}
		}
	}
}

// The library returns what it did and does not log. Only its own imports count: a
// library it uses has a debugging switch.
func TestLibraryDoesNotLog(t *testing.T) {
	for room := range rooms {
		for _, imported := range goList(t, "-f", `{{join .Imports "\n"}}`, module+room) {
			if within(imported, []string{"log"}) {
				t.Errorf("%s imports %s", room, imported)
			}
		}
	}
}

// within tells whether the package is one of those named or below one.
func within(pkg string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return pkg == n || strings.HasPrefix(pkg, n+"/") })
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

// TestLinterAgrees: the rules of the linter are those that are held here.
func TestLinterAgrees(t *testing.T) {
	text, err := os.ReadFile("../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Files, Allow []string
						Deny         []struct{ Pkg string }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	rules := config.Linters.Settings.Depguard.Rules
	for room, may := range rooms {
		files := "**/" + room + "/*.go"
		rule := rules[path.Base(room)]
		var allow []string
		for _, inside := range may {
			allow = append(allow, module+inside+"$")
		}
		if !slices.Contains(rule.Files, files) || !slices.Equal(rule.Allow, allow) ||
			len(rule.Deny) == 0 || rule.Deny[0].Pkg+"/" != module {
			t.Errorf("%s: the linter's rule is %+v, not one for %s that allows %q and denies the rest", room, rule, files, allow)
		}
		if touches := slices.Contains(kernelRooms, room) || room == "units"; slices.Contains(rules["kernel"].Files, files) == touches {
			t.Errorf("%s: the linter lets it touch the kernel: %v", room, !touches)
		}
		if other := room == "units" || room == "lvsdr/mobyipvs"; slices.Contains(rules["library"].Files, files) == other {
			t.Errorf("%s: the linter takes it for the library: %v", room, !other)
		}
	}
}

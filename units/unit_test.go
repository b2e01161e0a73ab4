package units_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/units"
)

var update = flag.Bool("update", false, "write the golden files anew")

var golden = map[string]units.Unit{
	"director-config": {Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: []string{"--config", "/etc/lvsdr/lvsdr.yaml"}},
	"director-flags": {Role: cluster.DirectorRole, Binary: "/usr/local/bin/lvsdr", Args: []string{
		"--vip", "10.10.10.22", "--real-server", "10.10.10.31=1", "--real-server", "10.10.10.32=1",
		"--persistence", "20s", "--timeouts", "30s,5s,60s",
	}},
	"realserver-flags": {Role: cluster.RealServerRole, Binary: "/usr/bin/lvsdr", Args: []string{"--vip", "10.10.10.22"}},
	"realserver-file": {Role: cluster.RealServerRole, Binary: "/usr/bin/lvsdr", Args: []string{
		"--config", "/etc/lvsdr/lvsdr.yaml", "--address", "10.10.10.31",
	}},
	"realserver-home": {Role: cluster.RealServerRole, Binary: "/home/my user/lvsdr", Args: []string{"--config=/root/100%/$HOME's \"lvsdr\".yaml"}},
}

func TestRender(t *testing.T) {
	for name, u := range golden {
		t.Run(name, func(t *testing.T) {
			got, err := units.Render(u)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".service")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s differs (go test ./units -update writes it anew):\n%s", file, got)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, u := range map[string]units.Unit{
		"role":          {Role: "client", Binary: "/usr/bin/lvsdr"},
		"relative path": {Role: cluster.DirectorRole, Binary: "lvsdr"},
		"no path":       {Role: cluster.DirectorRole},
		"NUL":           {Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: []string{"a\x00b"}},
	} {
		if got, err := units.Render(u); err == nil {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}

// exposure is the most that systemd-analyze may find, in tenths.
var exposure = map[string]string{cluster.DirectorRole: "30", cluster.RealServerRole: "25"}

// systemd itself takes the unit, and finds it no more exposed than it has to be.
func TestAnalyze(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if strings.Contains(os.Getenv("LVSDR_TEST_REQUIRE"), "systemd-analyze") {
			t.Fatal(err)
		}
		t.Skip("no systemd-analyze here")
	}
	for name, u := range golden {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), units.Name(u.Role))
			text, err := units.Render(u)
			if err != nil {
				t.Fatal(err)
			}
			u.Binary = "/bin/true" // it must be there
			there, err := units.Render(u)
			if err != nil {
				t.Fatal(err)
			}
			for _, ask := range []struct {
				text []byte
				args []string
			}{
				{there, []string{"verify", "--man=no"}},
				{text, []string{"security", "--offline=true", "--threshold=" + exposure[u.Role]}},
			} {
				if err := os.WriteFile(file, ask.text, 0o644); err != nil {
					t.Fatal(err)
				}
				out, err := exec.CommandContext(t.Context(), analyze, append(ask.args, file)...).CombinedOutput()
				if err != nil || ask.args[0] == "verify" && strings.Contains(string(out), units.Name(u.Role)) {
					t.Errorf("systemd-analyze %q: %v\n%s", ask.args, err, out)
				}
			}
		})
	}
}

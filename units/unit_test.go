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
		"--config", "/etc/lvsdr/lvsdr.yaml", "--address", "10.10.10.31", "--verify", "5m",
	}},
	"realserver-never": {Role: cluster.RealServerRole, Binary: "/usr/bin/lvsdr", Args: []string{"--vip", "10.10.10.22", "--verify", "0"}},
	"realserver-home":  {Role: cluster.RealServerRole, Binary: "/home/my user/lvsdr", Args: []string{"--config=/root/100%/$HOME's \"lvsdr\".yaml"}},
}

// files are all the units of a role, by their names in testdata.
func files(t *testing.T, name string, u units.Unit) map[string][]byte {
	t.Helper()
	text, err := units.Render(u)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{name + ".service": text}
	helpers, err := u.Helpers()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range helpers {
		if h.Content != nil {
			all[name+"."+strings.TrimPrefix(h.Name, "lvsdr-")] = h.Content
		}
	}
	return all
}

func TestRender(t *testing.T) {
	for name, u := range golden {
		t.Run(name, func(t *testing.T) {
			all := files(t, name, u)
			for file, got := range all {
				file = filepath.Join("testdata", file)
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
			}
			there, err := filepath.Glob("testdata/" + name + ".*")
			if err != nil || len(there) != len(all) {
				t.Errorf("%q, %v, but %d units are rendered", there, err, len(all))
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, u := range map[string]units.Unit{
		"role":          {Role: "client", Binary: "/usr/bin/lvsdr"},
		"relative path": {Role: cluster.DirectorRole, Binary: "lvsdr"},
		"no path":       {Role: cluster.DirectorRole},
		"no duration":   {Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: []string{"--verify", "often"}},
		"too often":     {Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: []string{"--verify=1ms"}},
		"NUL":           {Role: cluster.DirectorRole, Binary: "/usr/bin/lvsdr", Args: []string{"a\x00b"}},
	} {
		if got, err := units.Render(u); err == nil {
			t.Errorf("%s: got\n%s", name, got)
		}
		if got, err := u.Helpers(); err == nil {
			t.Errorf("%s: got helpers %+v", name, got)
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
			dir := t.TempDir()
			write := func(u units.Unit) (names []string) {
				for file, text := range files(t, "lvsdr", u) {
					name := map[string]string{"lvsdr.service": units.Name(u.Role), "lvsdr.lvsdr.path": units.PathUnit}[file]
					if name == "" {
						name = strings.Replace(file, "lvsdr.", "lvsdr-", 1)
					}
					names = append(names, filepath.Join(dir, name))
					if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				return names
			}
			for _, name := range write(u) {
				if strings.HasSuffix(name, ".service") {
					out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold="+exposure[u.Role], name).CombinedOutput()
					if err != nil {
						t.Errorf("%s: %v\n%s", name, err, out)
					}
				}
			}
			u.Binary = "/bin/true" // it must be there
			names := write(u)
			out, err := exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no"}, names...)...).CombinedOutput()
			if err != nil || strings.Contains(string(out), "lvsdr") {
				t.Errorf("systemd-analyze verify %q: %v\n%s", names, err, out)
			}
		})
	}
}
